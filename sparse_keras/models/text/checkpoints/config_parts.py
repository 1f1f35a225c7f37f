"""Parts of a published `config.json`: keys that are read into options, and written from them.

Each part has `read(values, options)`, which adds to the options, and `write(options)`, which
returns keys. A part may use the options of those before it. `write` does not check what its keys
cannot say: whoever writes a config reads it again, and compares the options.

The defaults are those of the configurations of Hugging Face's transformers 5.24. `rotary.py` has
the part of rotary positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sparse_keras.models.text.checkpoints.config_values import REQUIRED, Values
from sparse_keras.models.text.checkpoints.options import binds
from sparse_keras.models.text.checkpoints.rotary import Rotary

# From the names of transformers to ours. Of several names for one of ours, the first is written.
ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


class Same:
    """Keys that have the value of an option.

    Args:
        **keys: For each key, the name of the option and the default. With an integer as default, or
            `REQUIRED`, the value is a number of things, from 1 on.
    """

    def __init__(self, **keys: tuple[str, Any]) -> None:
        self.keys = keys

    def read(self, values: Values, options: dict[str, Any]) -> None:
        for key, (option, default) in self.keys.items():
            if default is REQUIRED or type(default) is int:
                options[option] = values.count(key, default)
            else:
                value = values.get(key, default)
                options[option] = values.real(key, value) if type(default) is float else value

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {key: options[option] for key, (option, _) in self.keys.items()}


class Fixed:
    """Options that a family always has, and keys that may have one value only.

    Args:
        options: The options.
        **config: For each key, the value that it has if it is there. A key with `None` is not
            written.
    """

    def __init__(self, options: Mapping[str, Any], **config: Any) -> None:
        self.options, self.config = options, config

    def read(self, values: Values, options: dict[str, Any]) -> None:
        for key, value in self.config.items():
            values.refuse(key, value, None)
        options |= self.options

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in self.config.items() if value is not None}


class Activation:
    """The activation of all feed-forward layers.

    Args:
        key: The key that names it.
        default: The name that transformers takes if there is none.
    """

    def __init__(self, key: str = "hidden_act", default: str = "silu") -> None:
        self.key, self.default = key, default

    def read(self, values: Values, options: dict[str, Any]) -> None:
        values.refuse(self.key, *dict.fromkeys((self.default, *ACTIVATIONS)))
        options["activation"] = ACTIVATIONS[values.get(self.key, self.default)]

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        names = (theirs for theirs, ours in ACTIVATIONS.items() if ours == options["activation"])
        return {self.key: next(names, options["activation"])}


class Heads:
    """Heads of grouped-query attention.

    Args:
        head_dim: Default of `head_dim`. `None`: the width divided by the number of heads. `False`:
            it is always that, and the family has no such key.
        grouped: Whether heads of queries may share keys: if not, there is no key for it.
    """

    def __init__(self, head_dim: Any = None, grouped: bool = True) -> None:
        self.default, self.grouped = head_dim, grouped

    def read(self, values: Values, options: dict[str, Any]) -> None:
        heads = options["num_heads"] = values.count("num_attention_heads")
        given = values.count("num_key_value_heads", None) if self.grouped else None
        options["num_kv_heads"] = given or heads
        given = None if self.default is False else values.count("head_dim", self.default)
        if given is None:
            given = values.quotient("num_attention_heads", options["width"], heads)
            values.refuse("head_dim", None, given)
        options["head_dim"] = given
        options["scale"] = options["head_dim"] ** -0.5

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        config = {"num_attention_heads": options["num_heads"]}
        if self.grouped:
            config["num_key_value_heads"] = options["num_kv_heads"]
        return config if self.default is False else config | {"head_dim": options["head_dim"]}


class Padding:
    """The id of padding, which an encoder masks."""

    def read(self, values: Values, options: dict[str, Any]) -> None:
        given = values.get("pad_token_id", 0, (int, type(None)))
        if given is not None and not 0 <= given < options["vocabulary_size"]:
            raise values.error(f"has pad_token_id={given}, which is no id of the vocabulary")
        options["padding_id"] = given

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"pad_token_id": options["padding_id"]}


class Inert:
    """Keys that change the outputs of other families, and not of this one.

    Args:
        *keys: Their names. They may have any value.
    """

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def read(self, values: Values, options: dict[str, Any]) -> None:
        values.inert.update(self.keys)

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {}


class Biases:
    """One key, `attention_bias`, for the biases of all matrices of the attention."""

    def __init__(self, default: bool = False) -> None:
        self.default = default

    def read(self, values: Values, options: dict[str, Any]) -> None:
        bias = values.get("attention_bias", self.default)
        options |= {"qkv_bias": bias, "output_bias": bias}

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"attention_bias": options["qkv_bias"]}


class QKNorm:
    """Normalization of queries and keys, which no key says, with the epsilon of the others.

    Args:
        kind: `"head"` or `"all"`; see `GroupedQueryAttention`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def read(self, values: Values, options: dict[str, Any]) -> None:
        options |= {"qk_norm": self.kind, "qk_norm_epsilon": options["norm_epsilon"]}

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {}


class Window:
    """One sliding window for all blocks, or none.

    Args:
        switch: Whether `use_sliding_window` turns it on.
    """

    def __init__(self, switch: bool = False) -> None:
        self.switch = switch

    def read(self, values: Values, options: dict[str, Any]) -> None:
        window = values.count("sliding_window", None)
        if self.switch and not values.get("use_sliding_window", False):
            window = None
        options["windows"] = (window,) * options["depth"]

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        window = options["windows"][0]
        config = {"sliding_window": window}
        return config | {"use_sliding_window": window is not None} if self.switch else config


class WindowsByLayer:
    """A sliding window for the blocks that `layer_types` names.

    Args:
        default: Function of the number of a block and the config's `max_window_layers`, which says
            whether the block has the window where there are no `layer_types`.
        window: The default of `sliding_window`.
        switch: Whether `use_sliding_window` turns windows on.
    """

    def __init__(self, default: Callable[[int, Any], bool], window: int, switch: bool) -> None:
        self.default, self.window, self.switch = default, window, switch

    def read(self, values: Values, options: dict[str, Any]) -> None:
        depth = options["depth"]
        window = values.get("sliding_window", self.window, (int, type(None)))
        types = values.get("layer_types", None, (list, type(None)))
        layers = values.get("max_window_layers", 28, (int, type(None)))
        if self.switch and not values.get("use_sliding_window", False):
            window = None
        if not window:  # 0 where it is off.
            options["windows"] = (None,) * depth
            return
        if types is None:
            has = [self.default(number, layers) for number in range(depth)]
        else:
            names = {"sliding_attention": True, "full_attention": False}
            if len(types) < depth or any(kind not in list(names) for kind in types):
                raise values.error(
                    f"has layer_types={types!r}, and not a list with 'sliding_attention' or "
                    f"'full_attention' for each of {depth} blocks"
                )
            has = [names[kind] for kind in types[:depth]]
        options["windows"] = tuple(window if one else None for one in has)

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        windows = options["windows"]
        window = next((one for one in windows if one is not None), None)
        config = {
            "sliding_window": self.window if window is None else window,
            "layer_types": [
                "full_attention" if one is None else "sliding_attention" for one in windows
            ],
        }
        return config | {"use_sliding_window": window is not None} if self.switch else config


class DenseBlocks:
    """Every block is dense."""

    def read(self, values: Values, options: dict[str, Any]) -> None:
        options["hidden_dim"] = values.count("intermediate_size")
        options["sparse"] = ()

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"intermediate_size": options["hidden_dim"]}


class Experts:
    """How many experts there are, how wide, and in which blocks.

    Args:
        number: The key of their number.
        width: The key of their width. If it is not `intermediate_size`, that is the width of dense
            blocks.
        blocks: `"all"`; `"step"`: those that `decoder_sparse_step` and `mlp_only_layers` say; or
            `"first"`: all but the first `first_k_dense_replace`.
        first: Default of `first_k_dense_replace`.
    """

    def __init__(self, number: str, width: str, blocks: str, first: int = 0) -> None:
        self.number, self.width, self.blocks, self.first = number, width, blocks, first

    def read(self, values: Values, options: dict[str, Any]) -> None:
        depth = options["depth"]
        # In transformers these are one attribute, of which files have any name.
        names = (self.number, "num_experts", "num_local_experts", "n_routed_experts")
        given = [name for name in names if name in values.config]
        options["num_experts"] = values.count(given[0] if given else self.number)
        for name in given[1:]:
            values.refuse(name, options["num_experts"])
        options["expert_dim"] = values.count(self.width)
        options["k"] = values.count("num_experts_per_tok")
        if options["k"] > options["num_experts"]:
            raise values.error(
                f"has num_experts_per_tok={options['k']}, more than the {options['num_experts']} "
                "experts"
            )
        dense: set[int] = set()
        step = 1
        if self.blocks == "step":
            step = values.count("decoder_sparse_step", 1)
            dense = set(values.integers("mlp_only_layers"))
        elif self.blocks == "first":
            values.refuse("moe_layer_freq", 1, None)
            first = values.get("first_k_dense_replace", self.first, int)
            dense = set(range(min(first, depth)))
        options["sparse"] = tuple(
            number for number in range(depth) if number not in dense and not (number + 1) % step
        )
        if self.width != "intermediate_size":
            values.read.add("intermediate_size")
            if len(options["sparse"]) < depth:
                options["hidden_dim"] = values.count("intermediate_size")
        if not options["sparse"]:
            raise values.error(
                f"gives none of the {depth} blocks experts. Such a model is dense; it can be "
                "loaded as a dense family"
            )

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        config = {
            self.number: options["num_experts"],
            self.width: options["expert_dim"],
            "num_experts_per_tok": options["k"],
        }
        dense = [n for n in range(options["depth"]) if n not in set(options["sparse"])]
        if self.blocks == "step":
            config |= {"decoder_sparse_step": 1, "mlp_only_layers": dense}
        elif self.blocks == "first":
            config["first_k_dense_replace"] = len(dense)
        if self.width != "intermediate_size" and options["hidden_dim"] is not None:
            config["intermediate_size"] = options["hidden_dim"]
        return config


class Groups:
    """Groups of experts: a token's experts are chosen among those of its best groups.

    Args:
        score: By what groups are chosen, as `TopKRouter` calls it: `"max"` or `"top2_sum"`.
        method: Whether `topk_method` says if there are groups, as in DeepSeek-V2.
    """

    def __init__(self, score: str, method: bool = False) -> None:
        self.score, self.method = score, method

    def read(self, values: Values, options: dict[str, Any]) -> None:
        # The defaults of transformers are left out: published files have the keys.
        number, kept = (values.count(key, None) for key in ("n_group", "topk_group"))
        if self.method:
            values.refuse("topk_method", "greedy", "group_limited_greedy")
            if values.get("topk_method", "greedy") == "greedy":
                number = None
        else:
            values.refuse("topk_method", "noaux_tc", None)
        if number is not None and kept is not None:
            found = {"num_groups": number, "groups_kept": kept, "group_score": self.score}
            options |= found if binds(options | found) else {}

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["num_groups"] is None:
            config = {"n_group": 1, "topk_group": 1}
        else:
            config = {"n_group": options["num_groups"], "topk_group": options["groups_kept"]}
        if self.method:
            greedy = options["num_groups"] is None
            config["topk_method"] = "greedy" if greedy else "group_limited_greedy"
        return config


class SharedExperts:
    """DeepSeek's shared experts: one layer, `n_shared_experts` times as wide as an expert.

    Args:
        default: Default of `n_shared_experts`.
    """

    def __init__(self, default: int) -> None:
        self.default = default

    def read(self, values: Values, options: dict[str, Any]) -> None:
        number = values.get("n_shared_experts", self.default, (int, type(None)))
        options["shared_dim"] = number * options["expert_dim"] if number else None

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        # Transformers knows no model without: 1 is then read as other options, so that the family
        # does not fit.
        return {"n_shared_experts": (options["shared_dim"] or 0) // options["expert_dim"] or 1}


class SharedExpert:
    """A shared expert with a width of its own.

    Args:
        key: The key of its width.
        **fixed: More options that the family always has.
    """

    def __init__(self, key: str, **fixed: Any) -> None:
        self.key, self.fixed = key, fixed

    def read(self, values: Values, options: dict[str, Any]) -> None:
        options["shared_dim"] = values.count(self.key)
        options |= self.fixed

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {self.key: options["shared_dim"]}


class Latent:
    """DeepSeek's latent attention. Its latent vectors are normalized with an epsilon of 1e-6,
    whatever `rms_norm_eps` says."""

    def read(self, values: Values, options: dict[str, Any]) -> None:
        options["num_heads"] = values.count("num_attention_heads")
        values.refuse("num_key_value_heads", options["num_heads"], None)
        values.refuse("attention_bias", False)
        values.refuse("mlp_bias", False)
        for key, default in (
            *(("kv_lora_rank", 512), ("qk_nope_head_dim", 128), ("qk_rope_head_dim", 64)),
            *(("v_head_dim", 128), ("q_lora_rank", 1536)),
        ):
            may_be_none = key == "q_lora_rank" and values.config.get(key, default) is None
            options[key] = None if may_be_none else values.count(key, default)
            values.read.add(key)
        # Transformers writes the rotated width under this name.
        values.refuse("head_dim", options["qk_rope_head_dim"], None)
        options |= {"attention": "latent", "latent_epsilon": 1e-6}
        width = options["qk_nope_head_dim"] + options["qk_rope_head_dim"]
        options["scale"] = width**-0.5 * Rotary.score_factor(options["rotary"])

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        names = ("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim")
        return {
            "num_attention_heads": options["num_heads"],
            "num_key_value_heads": options["num_heads"],
            "head_dim": options["qk_rope_head_dim"],
            **{name: options[name] for name in (*names, "v_head_dim")},
        }


class GPT2Width:
    """The width of GPT-2's hidden layers, and its heads."""

    def read(self, values: Values, options: dict[str, Any]) -> None:
        options["hidden_dim"] = values.count("n_inner", None) or 4 * options["width"]
        heads = options["num_heads"] = values.count("n_head")
        head_dim = values.quotient("n_head", options["width"], heads)
        options["num_kv_heads"], options["head_dim"] = heads, head_dim
        options["scale"] = options["head_dim"] ** -0.5

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"n_inner": options["hidden_dim"], "n_head": options["num_heads"]}
