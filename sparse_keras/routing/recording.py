"""Recording: which experts each token went to, in memory and in a file."""

import dataclasses
import os

import numpy as np

from sparse_keras._internal.atomic import replacing

_FORMAT = "sparse_keras routing 1"
ARRAYS = {"expert_index": "int32", "is_open": "bool", "weight": "float32"}


@dataclasses.dataclass(eq=False)
class RecordedGate:
    """The choices of one gate of a model, call by call.

    Args:
        path: The path of its layer, followed by the gate's name if the layer has several gates. It
            is for people to read.
        num_experts: E.
        calls: A list with a dict for each call, of NumPy arrays as in the routing: `expert_index`
            int32, `is_open` bool and `weight` float32, all `[N, K]`.
    """

    path: str
    num_experts: int
    calls: list[dict[str, np.ndarray]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False)
class Recording:
    """The choices of each gate of a model; see `record`.

    Args:
        gates: A list of `RecordedGate`, one for each router of the model, in the order of
            `gated_layers(model)` and of their `gates`.
    """

    gates: list[RecordedGate]

    def __getitem__(self, number: int) -> RecordedGate:
        return self.gates[number]

    def __len__(self) -> int:
        return len(self.gates)

    def save(self, path: str | os.PathLike) -> None:
        """Saves the recording to a NumPy archive, which holds nothing but arrays.

        Args:
            path: The file, usually `*.npz`.
        """
        arrays = {
            "format": np.array(_FORMAT),
            "paths": np.array([gate.path for gate in self.gates], dtype=np.str_),
            "num_experts": np.array([gate.num_experts for gate in self.gates], "int64"),
        }
        for n, gate in enumerate(self.gates):
            arrays[f"{n}/tokens"] = np.array([len(call["weight"]) for call in gate.calls], "int64")
            for key, dtype in ARRAYS.items():
                parts = [call[key] for call in gate.calls] or [np.zeros((0, 0), dtype)]
                arrays[f"{n}/{key}"] = np.concatenate(parts)
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez_compressed(file, **arrays)

    def __repr__(self) -> str:
        gates = ", ".join(f"{gate.path!r}: {len(gate.calls)} calls" for gate in self.gates)
        return f"<Recording {gates}>"


def load(path: str | os.PathLike) -> Recording:
    """Loads a `Recording` from a file that `Recording.save` wrote.

    Args:
        path: The file.

    Returns:
        A `Recording`.

    Raises:
        ValueError: If the file is not a recording.
        OSError: If the file cannot be read.
    """
    wrong = f"{str(path)!r} is not a recording of routings, as `Recording.save` writes"
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        received = str(arrays["format"])
        if received != _FORMAT:
            raise ValueError(f"{wrong}: expected the format {_FORMAT!r}. Received: {received!r}.")
        return Recording(
            [
                RecordedGate(str(name), int(experts), _calls(arrays, n, int(experts)))
                for n, (name, experts) in enumerate(
                    zip(arrays["paths"], arrays["num_experts"], strict=True)
                )
            ]
        )
    except OSError:
        raise
    except Exception as error:  # Not a zip file, an object array, missing arrays, ...
        text = str(error) if str(error).startswith(wrong) else f"{wrong}: {error!r}."
        raise ValueError(text) from error


def _calls(arrays: dict[str, np.ndarray], n: int, num_experts: int) -> list[dict[str, np.ndarray]]:
    """Cuts the arrays of gate n into its calls."""
    tokens = arrays[f"{n}/tokens"]
    whole = {}
    for key, dtype in ARRAYS.items():
        whole[key] = arrays[f"{n}/{key}"]
        shape = (tokens.sum(), arrays[f"{n}/weight"].shape[1])
        if whole[key].shape != shape or whole[key].dtype != dtype:
            raise ValueError(
                f"expected {n}/{key} to be {dtype} of shape {shape}, got {whole[key].dtype} of "
                f"shape {whole[key].shape}"
            )
    index = whole["expert_index"]
    if index.size and not 0 <= index.min() <= index.max() < num_experts:
        raise ValueError(f"{n}/expert_index has experts beyond {num_experts}")
    ends = np.cumsum(tokens)
    parts = {key: np.split(values, ends[:-1]) for key, values in whole.items()}
    return [{key: parts[key][c] for key in ARRAYS} for c in range(len(tokens))]
