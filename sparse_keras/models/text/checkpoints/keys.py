"""The table of keys: how each family of checkpoints names and lays out our weights.

A row says that a tensor of a file holds one or several weights of ours. It is read in both
directions: `load_pretrained` splits the tensor into weights, `save_pretrained` joins weights to the
tensor. The keys of a file decide which rows apply to it; the family decides only what is written.

Axes: D input width, F hidden width, E experts.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """How a tensor of a file and weights of ours correspond. Of experts, it takes one at a time.

    Args:
        split: Function of the tensor and the shapes of the weights, which returns the weights.
        join: Function of the weights, which returns the tensor.
        shape: Function of the shapes of the weights, which returns that of the tensor.
    """

    split: Callable[[np.ndarray, list[Shape]], list[np.ndarray]]
    join: Callable[[list[np.ndarray]], np.ndarray]
    shape: Callable[[list[Shape]], Shape]


def _cuts(shapes, axis):
    return np.cumsum([shape[axis] for shape in shapes])[:-1]


COPY = Operation(
    lambda tensor, shapes: [tensor],
    lambda weights: weights[0],
    lambda shapes: shapes[0],
)
# A linear layer of PyTorch is [outputs, inputs].
TRANSPOSED = Operation(
    lambda tensor, shapes: [tensor.T],
    lambda weights: weights[0].T,
    lambda shapes: shapes[0][::-1],
)
# Several linear layers below each other: [2F, D].
STACKED = Operation(
    lambda tensor, shapes: [part.T for part in np.split(tensor, _cuts(shapes, -1))],
    lambda weights: np.concatenate([weight.T for weight in weights]),
    lambda shapes: (sum(shape[-1] for shape in shapes), shapes[0][0]),
)
# Beside each other, not transposed: [D, 3D] or, of biases, [3D].
BESIDE = Operation(
    lambda tensor, shapes: np.split(tensor, _cuts(shapes, -1), axis=-1),
    lambda weights: np.concatenate(weights, axis=-1),
    lambda shapes: (*shapes[0][:-1], sum(shape[-1] for shape in shapes)),
)
# In turns, a column of each: [D, 2F] or, of biases, [2F].
IN_TURNS = Operation(
    lambda tensor, shapes: [tensor[..., n :: len(shapes)] for n in range(len(shapes))],
    lambda weights: np.stack(weights, axis=-1).reshape(*weights[0].shape[:-1], -1),
    lambda shapes: (*shapes[0][:-1], sum(shape[-1] for shape in shapes)),
)


@dataclass(frozen=True)
class Row:
    """A tensor of a file, and the weights of ours that it holds.

    Args:
        layout: The name of the layout that it is part of.
        key: The tensor's key, without the prefix of the family. `{layer}` is the number of a block,
            `{expert}` that of an expert: without it, a tensor of experts holds all, `[E, ...]`.
        weights: Names of weights, as in `weights.py`.
        operation: How they correspond.
        beside: Another key. The row applies only to files that have it, too.
        packed: Whether the file may hold the tensor as 4-bit blocks and scales (MXFP4).
    """

    layout: str
    key: str
    weights: tuple[str, ...]
    operation: Operation = COPY
    beside: str | None = None
    packed: bool = False

    @property
    def of_experts(self) -> bool:
        return self.weights[0].startswith("experts.")

    @property
    def each_expert(self) -> bool:
        return "{expert}" in self.key


def _linear(layout: str, key: str, weight: str) -> Iterator[Row]:
    yield Row(layout, f"{key}.weight", (f"{weight}.kernel",), TRANSPOSED)
    yield Row(layout, f"{key}.bias", (f"{weight}.bias",))


_QKV = ("query", "key", "value")


def _rows() -> Iterator[Row]:
    block = "layers.{layer}."
    llama = "llama"
    yield Row(llama, "embed_tokens.weight", ("embedding",))
    yield Row(llama, "norm.weight", ("final_norm.scale",))
    yield Row(llama, "lm_head.weight", ("head",), TRANSPOSED)
    yield Row(llama, f"{block}input_layernorm.weight", ("attention_norm.scale",))
    yield Row(llama, f"{block}post_attention_layernorm.weight", ("feed_forward_norm.scale",))
    for theirs, ours in (
        ("q_proj", "query"),
        ("k_proj", "key"),
        ("v_proj", "value"),
        ("o_proj", "output_dense"),
        ("q_a_proj", "query_down"),
        ("q_b_proj", "query_up"),
        ("kv_a_proj_with_mqa", "latent_down"),
        ("kv_b_proj", "key_value_up"),
    ):
        yield from _linear(llama, f"{block}self_attn.{theirs}", f"attention.{ours}")
    for layout, theirs, ours in (
        ("qk_norm", "q_norm", "query_norm"),
        ("qk_norm", "k_norm", "key_norm"),
        ("latent", "q_a_layernorm", "query_norm"),
        ("latent", "kv_a_layernorm", "latent_norm"),
    ):
        yield Row(layout, f"{block}self_attn.{theirs}.weight", (f"attention.{ours}.scale",))
    yield Row(llama, f"{block}self_attn.sinks", ("attention.sink_logits",))
    for part in ("gate", "up", "down"):
        yield from _linear(llama, f"{block}mlp.{part}_proj", f"feed_forward.{part}")

    # Experts one by one, with the names of Mixtral, and with those of all others.
    mixtral = f"{block}block_sparse_moe."
    yield Row("mixtral", f"{mixtral}gate.weight", ("router.kernel",), TRANSPOSED)
    for theirs, ours in (("w1", "gate"), ("w3", "up"), ("w2", "down")):
        key = f"{mixtral}experts.{{expert}}.{theirs}.weight"
        yield Row("mixtral", key, (f"experts.{ours}.kernel",), TRANSPOSED)
    mlp = f"{block}mlp."
    yield Row("experts", f"{mlp}gate.weight", ("router.kernel",), TRANSPOSED)
    bias = "router.selection_bias"
    yield Row("experts", f"{mlp}gate.e_score_correction_bias", (bias,))
    for part in ("gate", "up", "down"):
        key = f"{mlp}experts.{{expert}}.{part}_proj.weight"
        yield Row("experts", key, (f"experts.{part}.kernel",), TRANSPOSED)
        key = f"{mlp}shared_expert.{part}_proj.weight"
        yield Row("shared_expert", key, (f"shared.{part}.kernel",), TRANSPOSED)
        key = f"{mlp}shared_experts.{part}_proj.weight"
        yield Row("shared_experts", key, (f"shared.{part}.kernel",), TRANSPOSED)
    key = f"{mlp}shared_expert_gate.weight"
    yield Row("shared_expert", key, ("shared_gate.kernel",), TRANSPOSED)

    # All experts in one tensor: gpt-oss, whose matrices are not transposed; Granite; and what
    # transformers makes of all others since version 5.
    gate_up = ("experts.gate.kernel", "experts.up.kernel")
    oss, beside = "gpt_oss", f"{mlp}experts.gate_up_proj_bias"
    yield Row(oss, f"{mlp}router.weight", ("router.kernel",), TRANSPOSED)
    yield Row(oss, f"{mlp}router.bias", ("router.bias",))
    yield Row(oss, f"{mlp}experts.gate_up_proj", gate_up, IN_TURNS, beside, packed=True)
    key = f"{mlp}experts.gate_up_proj_bias"
    yield Row(oss, key, ("experts.gate.bias", "experts.up.bias"), IN_TURNS)
    down = ("experts.down.kernel",)
    yield Row(oss, f"{mlp}experts.down_proj", down, COPY, beside, packed=True)
    yield Row(oss, f"{mlp}experts.down_proj_bias", ("experts.down.bias",))
    granite, key = "granite", f"{mixtral}input_linear.weight"
    yield Row(granite, f"{mixtral}router.layer.weight", ("router.kernel",), TRANSPOSED)
    yield Row(granite, key, gate_up, STACKED)
    yield Row(granite, f"{mixtral}output_linear.weight", down, TRANSPOSED)
    key = f"{block}shared_mlp.input_linear.weight"
    yield Row(granite, key, ("shared.gate.kernel", "shared.up.kernel"), STACKED)
    key = f"{block}shared_mlp.output_linear.weight"
    yield Row(granite, key, ("shared.down.kernel",), TRANSPOSED)
    for place in (f"{mlp}experts.", f"{mixtral}experts."):
        yield Row("fused", f"{place}gate_up_proj", gate_up, STACKED)
        yield Row("fused", f"{place}down_proj", down, TRANSPOSED)
    for place in (mlp, mixtral):
        yield Row("fused", f"{place}router.weight", ("router.kernel",), TRANSPOSED)

    # GPT-2, whose matrices are not transposed.
    gpt2, block = "gpt2", "h.{layer}."
    yield Row(gpt2, "wte.weight", ("embedding",))
    yield Row(gpt2, "wpe.weight", ("positions",))
    yield Row(gpt2, "lm_head.weight", ("head",), TRANSPOSED)
    for place, ours in (
        ("ln_f", "final_norm"),
        (f"{block}ln_1", "attention_norm"),
        (f"{block}ln_2", "feed_forward_norm"),
    ):
        yield Row(gpt2, f"{place}.weight", (f"{ours}.gamma",))
        yield Row(gpt2, f"{place}.bias", (f"{ours}.beta",))
    for theirs, kind in (("weight", "kernel"), ("bias", "bias")):
        parts = tuple(f"attention.{part}.{kind}" for part in _QKV)
        yield Row(gpt2, f"{block}attn.c_attn.{theirs}", parts, BESIDE)
        yield Row(gpt2, f"{block}attn.c_proj.{theirs}", (f"attention.output_dense.{kind}",))
        yield Row(gpt2, f"{block}mlp.c_fc.{theirs}", (f"feed_forward.up.{kind}",))
        yield Row(gpt2, f"{block}mlp.c_proj.{theirs}", (f"feed_forward.down.{kind}",))

    # BERT. Its first files call the weights of normalizations gamma and beta.
    bert, block = "bert", "encoder.layer.{layer}."
    for theirs, ours in (
        ("word", "embedding"),
        ("position", "positions"),
        ("token_type", "types"),
    ):
        yield Row(bert, f"embeddings.{theirs}_embeddings.weight", (ours,))
    for place, ours in (
        ("embeddings", "embedding_norm"),
        (f"{block}attention.output", "attention_norm"),
        (f"{block}output", "feed_forward_norm"),
    ):
        for theirs, kind in (("weight", "gamma"), ("bias", "beta")):
            yield Row(bert, f"{place}.LayerNorm.{theirs}", (f"{ours}.{kind}",))
            yield Row("first_bert", f"{place}.LayerNorm.{kind}", (f"{ours}.{kind}",))
    for theirs, ours in (
        *((f"{block}attention.self.{part}", f"attention.{part}") for part in _QKV),
        (f"{block}attention.output.dense", "attention.output_dense"),
        (f"{block}intermediate.dense", "feed_forward.up"),
        (f"{block}output.dense", "feed_forward.down"),
        ("pooler.dense", "pooler"),
    ):
        yield from _linear(bert, theirs, ours)


ROWS: tuple[Row, ...] = tuple(_rows())
_BY_WEIGHT: dict[str, list[Row]] = {}
for _row in ROWS:
    for _weight in _row.weights:
        _BY_WEIGHT.setdefault(_weight, []).append(_row)

# Before keys, where a file holds a model with a head. GPT-2's first files have none.
PREFIXES = ("model.", "transformer.", "bert.")
# Tensors that are not needed: buffers that are computed from the configuration, and the causal mask
# of GPT-2's first files.
IGNORED = (
    ".rotary_emb.inv_freq",
    "rotary_emb.inv_freq",
    "position_ids",
    ".attn.bias",
    ".attn.masked_bias",
)


def without_prefix(key: str) -> str:
    """Returns a key without the prefix of its family."""
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key


def is_ignored(key: str, options: dict[str, Any]) -> bool:
    """Whether a tensor has no effect on the outputs of a model.

    Blocks past the last one are the multi-token prediction modules of DeepSeek-V3.
    """
    if key.endswith(IGNORED):
        return True
    first, _, rest = key.partition(".")
    number = rest.partition(".")[0]
    return first == "layers" and number.isdecimal() and int(number) >= options["depth"]


@dataclass(frozen=True)
class Held:
    """A row for one block: which tensors hold which weights.

    Args:
        row: The row.
        block: Number of the block, `None` outside of blocks.
        shapes: Shapes of the weights.
    """

    row: Row
    block: int | None
    shapes: list[Shape] = field(hash=False)

    @property
    def experts(self) -> int | None:
        """The number of experts, if the weights are banks."""
        return self.shapes[0][0] if self.row.of_experts else None

    @property
    def one(self) -> list[Shape]:
        """The shapes that the operation works on: of one expert, if there are several."""
        return [shape[1:] for shape in self.shapes] if self.row.of_experts else self.shapes

    def keys(self) -> Iterator[str]:
        """Yields the keys of the tensors: of each expert, or one."""
        count = self.experts if self.row.each_expert else 1
        for expert in range(count):
            yield self.row.key.format(layer=self.block, expert=expert)

    @property
    def key(self) -> str:
        return next(self.keys())

    @property
    def tensor_shape(self) -> Shape:
        """The shape of each tensor."""
        shape = self.row.operation.shape(self.one)
        all_in_one = self.row.of_experts and not self.row.each_expert
        return (self.shapes[0][0], *shape) if all_in_one else shape


def rows_in_file(weight: str, block: int | None, keys: Container[str]) -> Row | None:
    """Returns the row by which a file holds a weight, or `None` if it has no tensor of it."""
    for row in _BY_WEIGHT[weight]:
        names = [row.key] if row.beside is None else [row.key, row.beside]
        names = [name.format(layer=block, expert=0) for name in names]
        if row.packed and names[0] not in keys:
            names[0] += "_blocks"
        if all(name in keys for name in names):
            return row
    return None


def row_of_layouts(weight: str, layouts: tuple[str, ...]) -> Row | None:
    """Returns the row by which a family writes a weight, or `None` if it has none.

    Args:
        weight: Name of the weight.
        layouts: The layouts of the family.
    """
    return next((row for row in _BY_WEIGHT[weight] if row.layout in layouts), None)


def usual_key(weight: str, layouts: tuple[str, ...], block: int | None) -> str:
    """Returns the key under which a family has a weight, for messages."""
    row = row_of_layouts(weight, layouts)
    return weight if row is None else row.key.format(layer=block, expert=0)
