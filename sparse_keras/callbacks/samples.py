"""Samples: a callback for texts that a language model writes while it is trained."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from sparse_keras._internal.atomic import write_text
from sparse_keras._internal.printable import printable


@keras.saving.register_keras_serializable(package="sparse_keras")
class Samples(keras.callbacks.Callback):
    """Generates from prompts at the end of each epoch, and shows the texts.

    They are shown when the next epoch begins, or when training ends, so that they do not break
    into the progress bar of Keras. What is drawn does not touch the random numbers of training: the
    weights are the same with and without this callback.

    Args:
        prompts: What the texts begin with. An empty string: a new text.
        max_new_tokens, temperature, top_k, top_p, seed: As for `models.TextGenerator.generate`. The
            seed is the same in each epoch; without drawing, at temperature 0, it has no effect.
        file: Optional file to write the texts to, as JSON lines with `epoch`, `prompt` and `text`.
            Those of earlier epochs in it are kept.
        show: Function of `(epoch, samples)`, called instead of printing: the number of the epoch,
            from 1, and a list of `(prompt, text)`. By default they are printed, unless `fit` was
            called with `verbose=0`.

    Raises:
        ValueError: When training begins, if the model does not take the prompts.

    Example:

    ```python
    model.fit(data.train, callbacks=[sparse_keras.callbacks.Samples(["", "ROMEO:"])])
    ```
    """

    def __init__(
        self,
        prompts: Sequence[str] = ("",),
        max_new_tokens: int = 100,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        file: str | os.PathLike | None = None,
        show: Callable[[int, list[tuple[str, str]]], None] | None = None,
    ) -> None:
        super().__init__()
        self.prompts = list(prompts)
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.seed = seed
        self.file = file
        self.show = show
        self._new: tuple[int, list[tuple[str, str]]] | None = None

    def check(self, model: keras.Model) -> None:
        """Raises a ValueError if a model does not take the prompts."""
        if not hasattr(model, "encode_prompts"):
            raise ValueError(
                "Samples are for a model that generates texts, a models.TextGenerator. "
                f"Received: a {type(model).__name__}, {model.name!r}."
            )
        model.encode_prompts(self.prompts)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.check(self.model)
        self._new = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._show()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        texts = self.model.generate(
            self.prompts,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seed=self.seed,
        )
        self._new = (epoch + 1, list(zip(self.prompts, texts, strict=True)))
        if self.file is not None:
            self._write(Path(self.file), *self._new)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._show()

    # A resumed training has all it needs in the constructor.
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def _write(self, file, epoch, samples):
        # Training may have been killed after an epoch was written that it does again.
        before = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
        lines = [line for line in before if json.loads(line)["epoch"] < epoch]
        lines += [
            json.dumps({"epoch": epoch, "prompt": prompt, "text": text}, ensure_ascii=False)
            for prompt, text in samples
        ]
        write_text(file, "".join(f"{line}\n" for line in lines))

    def _show(self):
        if self._new is None:
            return
        new, self._new = self._new, None
        if self.show is not None:
            self.show(*new)
        elif self.params.get("verbose", 1) != 0:
            epoch, samples = new
            for prompt, text in samples:
                print(f"epoch {epoch}, after {prompt!r}:\n{printable(text)}")

    def get_config(self) -> dict[str, Any]:
        return {
            "prompts": self.prompts,
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "seed": self.seed,
            "file": None if self.file is None else os.fspath(self.file),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Samples":
        return cls(**config)
