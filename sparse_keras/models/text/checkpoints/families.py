"""The families of published decoders: how their `config.json` says the options of a model.

Each family is a list of parts that read keys of a config into options, and write options to keys.
What a family cannot say, `write` does not check: whoever writes reads the result again, and
compares.

The defaults are those of the configurations of Hugging Face's transformers 5.24.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparse_keras._internal.suggest import listing
from sparse_keras.models.text.checkpoints.options import binds, complete
from sparse_keras.models.text.checkpoints.rotary import Rotary

REQUIRED: Any = object()
# Of transformers and ours. The first of each of ours is what is written.
ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
# Larger numbers are no float32.
_LARGEST = 1e38
# Keys that do not change the logits of a trained model.
INERT = frozenset(
    (
        *("architectures", "attention_dropout", "attn_pdrop", "auto_map", "bos_token_id"),
        *("aux_loss_alpha", "chunk_size_feed_forward", "dtype", "embd_pdrop", "eos_token_id"),
        *("ep_size", "experts_implementation", "finetuning_task", "id2label", "initializer_range"),
        *("initial_context_length", "is_decoder", "is_encoder_decoder", "is_llama_config"),
        *("label2id", "model_type", "max_window_layers", "n_ctx", "name_or_path"),
        *("num_labels", "num_mtp_layers", "num_nextn_predict_layers", "output_attentions"),
        *("output_hidden_states", "output_router_logits", "pad_token_id", "pretraining_tp"),
        *("problem_type", "qk_head_dim", "resid_pdrop", "return_dict", "rope_interleaved"),
        *("router_aux_loss_coef", "router_jitter_noise", "seq_aux", "summary_activation"),
        *("summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj"),
        *("task_specific_params", "tokenizer_class", "torch_dtype", "transformers.js_config"),
        *("transformers_version", "unk_token_id", "use_cache", "vocab_file", "_name_or_path"),
        *("_attn_implementation", "attn_implementation", "gradient_checkpointing"),
    )
)


class Values:
    """The values of a config, which remembers which keys were read.

    Args:
        config: The parsed `config.json`.
        where: What to call it in messages.
    """

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        self.config, self.where = config, where
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None, types: Any = None) -> Any:
        """Returns the value of a key.

        Raises:
            ValueError: If it is missing and has no default, or is of another type.
        """
        self.read.add(key)
        value = self.config.get(key, default)
        if value is REQUIRED:
            raise self.error(f"has no {key!r}")
        expected = types or _type_of(default)
        if value is not default and expected and not _is(value, expected):
            raise self.error(f"has {key}={value!r}, of type {type(value).__name__}")
        return value

    def count(self, key: str, default: Any = REQUIRED) -> Any:
        """Returns a number of things: a positive integer, or the default."""
        value = self.get(key, default, int)
        if value is not default and not 0 < value < 2**40:
            raise self.error(f"has {key}={value!r}, and not a number from 1 on")
        return value

    def real(self, key: str, value: Any) -> float:
        """Returns a value of a key as a float.

        Raises:
            ValueError: If it is not a finite number.
        """
        fine = _is(value, (int, float)) and abs(value) < _LARGEST
        if not fine:  # Nor is NaN.
            raise self.error(f"has {key}={_short(value)}, and not a finite number")
        return float(value)

    def quotient(self, key: str, whole: int, parts: int) -> int:
        """Returns the width of a head, where `key` says how many share the width of the model.

        Raises:
            ValueError: If it is 0.
        """
        if parts > whole:
            raise self.error(f"has {key}={parts}, more heads than the {whole} units of the model")
        return whole // parts

    def refuse(self, key: str, *fine: Any) -> None:
        """Raises a ValueError if a key has a value that no option stands for."""
        self.read.add(key)
        value = self.config.get(key, fine[0])
        if value not in fine:
            raise self.error(f"has {key}={value!r}; only {listing(fine)} can be loaded")

    def check_all_read(self) -> None:
        """Raises a ValueError if there are keys that no part of the family read."""
        unknown = [
            key
            for key, value in self.config.items()
            if key not in self.read and key not in INERT and value not in (None, False, [], {})
        ]
        if unknown:
            raise self.error(
                f"sets {listing(unknown)}, which this library does not know. If that has no effect "
                "on what the model computes, remove it from the file"
            )

    def error(self, problem: str) -> ValueError:
        return ValueError(f"{self.where} {problem}.")


def _type_of(default):
    kinds = {bool: bool, int: int, float: (int, float), str: str, list: list}
    return kinds.get(type(default))


def _short(value):
    text = repr(value)
    return text if len(text) < 80 else f"{text[:80]}..."


def _is(value, types):
    if types is bool:
        return isinstance(value, bool)
    return isinstance(value, types) and not isinstance(value, bool)


class Same:
    """Keys that have the value of an option: `{key: (option, default)}`."""

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
    """Options that a family always has, and values of keys that say no more."""

    def __init__(self, options: Mapping[str, Any], **config: Any) -> None:
        self.options, self.config = options, config

    def read(self, values: Values, options: dict[str, Any]) -> None:
        for key, value in self.config.items():
            values.refuse(key, value, None)
        options |= self.options

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in self.config.items() if value is not None}


class Activation:
    """The activation of all feed-forward layers."""

    def __init__(self, key: str = "hidden_act", default: str = "silu") -> None:
        self.key, self.default = key, default

    def read(self, values: Values, options: dict[str, Any]) -> None:
        values.refuse(self.key, self.default, *ACTIVATIONS)
        options["activation"] = ACTIVATIONS[values.get(self.key, self.default)]

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        names = (theirs for theirs, ours in ACTIVATIONS.items() if ours == options["activation"])
        return {self.key: next(names, options["activation"])}


class Heads:
    """Heads of grouped-query attention.

    Args:
        head_dim: Whether the family has a `head_dim` of its own: its default, or `None` for the
            width divided by the number of heads. `False`: it is always that.
    """

    def __init__(self, head_dim: Any = None) -> None:
        self.default = head_dim

    def read(self, values: Values, options: dict[str, Any]) -> None:
        heads = options["num_heads"] = values.count("num_attention_heads")
        options["num_kv_heads"] = values.count("num_key_value_heads", None) or heads
        given = None if self.default is False else values.count("head_dim", self.default)
        if given is None:
            given = values.quotient("num_attention_heads", options["width"], heads)
            values.refuse("head_dim", None, given)
        options["head_dim"] = given
        options["scale"] = options["head_dim"] ** -0.5

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        config = {
            "num_attention_heads": options["num_heads"],
            "num_key_value_heads": options["num_kv_heads"],
        }
        return config if self.default is False else config | {"head_dim": options["head_dim"]}


class Biases:
    """One key for the biases of all matrices of the attention."""

    def __init__(self, default: bool = False) -> None:
        self.default = default

    def read(self, values: Values, options: dict[str, Any]) -> None:
        bias = values.get("attention_bias", self.default)
        options |= {"qkv_bias": bias, "output_bias": bias}

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"attention_bias": options["qkv_bias"]}


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

    def __init__(self, default: Any, window: int, switch: bool) -> None:
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
        # Transformers takes all of these for the same, and writes any of them.
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
            listed = values.get("mlp_only_layers", None, (list, type(None))) or ()
            if not all(_is(one, int) for one in listed):
                raise values.error(
                    f"has mlp_only_layers={_short(listed)}, and not numbers of blocks"
                )
            dense = set(listed)
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
    """Groups of experts of which a token's experts are in a few.

    Args:
        score: Our name of what groups are chosen by.
        method: Whether `topk_method` says if there are groups (DeepSeek-V2).
    """

    def __init__(self, score: str, method: bool = False) -> None:
        self.score, self.method = score, method

    def read(self, values: Values, options: dict[str, Any]) -> None:
        # Transformers has no other defaults that matter: published files have the keys.
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
    """DeepSeek's shared experts, as wide as so many of the others."""

    def __init__(self, default: int) -> None:
        self.default = default

    def read(self, values: Values, options: dict[str, Any]) -> None:
        number = values.get("n_shared_experts", self.default, (int, type(None)))
        options["shared_dim"] = number * options["expert_dim"] if number else None

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        # Transformers knows no model without: then the family does not fit.
        return {"n_shared_experts": (options["shared_dim"] or 0) // options["expert_dim"] or 1}


class SharedExpert:
    """A shared expert with a width of its own."""

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
        # Transformers writes it; the rotated width is meant.
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
    """The width of GPT-2's hidden layers."""

    def read(self, values: Values, options: dict[str, Any]) -> None:
        options["hidden_dim"] = values.count("n_inner", None) or 4 * options["width"]
        heads = options["num_heads"] = values.count("n_head")
        head_dim = values.quotient("n_head", options["width"], heads)
        options["num_kv_heads"], options["head_dim"] = heads, head_dim
        options["scale"] = options["head_dim"] ** -0.5

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"n_inner": options["hidden_dim"], "n_head": options["num_heads"]}


@dataclass(frozen=True)
class Family:
    """A family of published decoders.

    Args:
        name: Its `model_type`.
        architecture: The class of transformers.
        layouts: The layouts of its files, in `keys.py`.
        parts: What reads and writes its config, in this order.
        prefix: What stands before keys, but for the head's.
        needs_shared: Whether every model of it has a shared expert; see `filled`.
    """

    name: str
    architecture: str
    layouts: tuple[str, ...]
    parts: tuple[Any, ...]
    prefix: str = "model."
    needs_shared: bool = False

    def filled(self, options: dict[str, Any]) -> dict[str, Any]:
        """Returns options of a model that computes the same, with what the family cannot lack.

        Qwen2-MoE, the one family of grouped-query attention with dense blocks and experts in any
        order and no normalization of queries, has a shared expert: its weights are then zeros.
        """
        if not self.needs_shared or not options["sparse"] or options["shared_dim"] is not None:
            return options
        return {**options, "shared_dim": 1, "shared_gated": True}

    @property
    def has_experts(self) -> bool:
        return any(isinstance(part, Experts) for part in self.parts)

    @property
    def is_latent(self) -> bool:
        return any(isinstance(part, Latent) for part in self.parts)

    def others(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the keys of a config that say nothing of the options or of the files."""
        values, options = Values(config, "config.json"), dict[str, Any]()
        for part in self.parts:
            part.read(values, options)
        gone = values.read | {"torch_dtype", "quantization_config", "transformers_version"}
        return {key: value for key, value in config.items() if key not in gone}

    def read(self, config: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Returns the options that a config says.

        Raises:
            ValueError: If a value is missing or wrong, or stands for an option that ours lack.
        """
        values = Values(config, where)
        options: dict[str, Any] = {}
        for part in self.parts:
            part.read(values, options)
        values.check_all_read()
        return complete(options)

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        """Returns the config that says options, as far as this family can say them."""
        config: dict[str, Any] = {"model_type": self.name, "architectures": [self.architecture]}
        for part in self.parts:
            config |= part.write(options)
        return config


def _llama_like(context, epsilon=1e-6):
    return Same(
        vocab_size=("vocabulary_size", REQUIRED),
        hidden_size=("width", REQUIRED),
        num_hidden_layers=("depth", REQUIRED),
        max_position_embeddings=("context_length", context),
        rms_norm_eps=("norm_epsilon", epsilon),
        tie_word_embeddings=("tie_embeddings", False),
    )


_MULTIPLIERS = Same(
    embedding_multiplier=("embedding_multiplier", 1.0),
    residual_multiplier=("residual_multiplier", 1.0),
    logits_scaling=("logits_scaling", 1.0),
    attention_multiplier=("scale", 1.0),
)
_QK_NORM = ("llama", "qk_norm", "experts")
_DEEPSEEK = ("llama", "latent", "experts", "shared_experts")


class QKNorm:
    """Normalization of queries and keys with the epsilon of the others."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def read(self, values: Values, options: dict[str, Any]) -> None:
        options |= {"qk_norm": self.kind, "qk_norm_epsilon": options["norm_epsilon"]}

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        return {}


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "llama",
            "LlamaForCausalLM",
            ("llama",),
            (
                _llama_like(2048),
                Heads(),
                Rotary(),
                Biases(),
                Same(mlp_bias=("use_bias", False)),
                Activation(),
                DenseBlocks(),
            ),
        ),
        Family(
            "qwen3",
            "Qwen3ForCausalLM",
            ("llama", "qk_norm"),
            (
                _llama_like(32768),
                Heads(128),
                Rotary(),
                Biases(),
                QKNorm("head"),
                WindowsByLayer(lambda number, layers: number >= layers, 4096, switch=True),
                Activation(),
                DenseBlocks(),
            ),
        ),
        Family(
            "mixtral",
            "MixtralForCausalLM",
            ("llama", "mixtral"),
            (
                _llama_like(131072, 1e-5),
                Heads(),
                Rotary(theta=1e6),
                Window(),
                Activation(),
                Experts("num_local_experts", "intermediate_size", "all"),
                Fixed({"normalize": True}),
            ),
        ),
        Family(
            "qwen2_moe",
            "Qwen2MoeForCausalLM",
            ("llama", "experts", "shared_expert"),
            (
                _llama_like(32768),
                Heads(),
                Rotary(),
                Same(qkv_bias=("qkv_bias", True)),
                WindowsByLayer(
                    lambda number, layers: number % 2 == 0 and number < layers, 4096, switch=True
                ),
                Activation(),
                Experts("num_experts", "moe_intermediate_size", "step"),
                Same(norm_topk_prob=("normalize", False)),
                SharedExpert("shared_expert_intermediate_size", shared_gated=True),
            ),
            needs_shared=True,
        ),
        Family(
            "qwen3_moe",
            "Qwen3MoeForCausalLM",
            _QK_NORM,
            (
                _llama_like(32768),
                Heads(),
                Rotary(),
                Biases(),
                QKNorm("head"),
                Window(switch=True),
                Activation(),
                Experts("num_experts", "moe_intermediate_size", "step"),
                Same(norm_topk_prob=("normalize", False)),
            ),
        ),
        Family(
            "olmoe",
            "OlmoeForCausalLM",
            _QK_NORM,
            (
                _llama_like(4096, 1e-5),
                Heads(False),
                Rotary(),
                Biases(),
                QKNorm("all"),
                Same(clip_qkv=("clip_qkv", None)),
                Activation(),
                Experts("num_experts", "intermediate_size", "all"),
                Same(norm_topk_prob=("normalize", False)),
            ),
        ),
        Family(
            "deepseek_v2",
            "DeepseekV2ForCausalLM",
            _DEEPSEEK,
            (
                _llama_like(2048),
                Rotary(interleaved=True, mscale=True),
                Latent(),
                Activation(),
                Experts("n_routed_experts", "moe_intermediate_size", "first"),
                # Transformers does not read norm_topk_prob, and published models do not set it.
                Fixed({"normalize": False}, norm_topk_prob=False, scoring_func="softmax"),
                Groups("max", method=True),
                Same(routed_scaling_factor=("router_scale", 1.0)),
                SharedExperts(2),
            ),
        ),
        Family(
            "deepseek_v3",
            "DeepseekV3ForCausalLM",
            _DEEPSEEK,
            (
                _llama_like(4096),
                Rotary(interleaved="rope_interleave", mscale=True),
                Latent(),
                Activation(),
                Experts("n_routed_experts", "moe_intermediate_size", "first", first=3),
                Fixed({"score": "sigmoid", "selection_bias": True}, scoring_func="sigmoid"),
                Same(norm_topk_prob=("normalize", True)),
                Groups("top2_sum"),
                Same(routed_scaling_factor=("router_scale", 2.5)),
                SharedExperts(1),
            ),
        ),
        Family(
            "gpt_oss",
            "GptOssForCausalLM",
            ("llama", "gpt_oss"),
            (
                _llama_like(131072, 1e-5),
                Heads(64),
                Rotary(
                    theta=150000.0,
                    rope_type="yarn",
                    factor=32.0,
                    truncate=False,
                    original_max_position_embeddings=4096,
                ),
                Biases(True),
                WindowsByLayer(lambda number, layers: number % 2 == 0, 128, switch=False),
                Fixed({"sinks": True, "expert_bias": True, "up_offset": 1.0, "normalize": True}),
                Fixed({"router_bias": True}, hidden_act="silu"),
                Experts("num_local_experts", "intermediate_size", "all"),
                Same(swiglu_alpha=("alpha", 1.702), swiglu_limit=("limit", 7.0)),
                # What files before transformers 5 say of the same number.
                Fixed({}, experts_per_token=None),
            ),
        ),
        Family(
            "granitemoe",
            "GraniteMoeForCausalLM",
            ("llama", "granite"),
            (
                _llama_like(2048),
                Heads(False),
                Rotary(),
                _MULTIPLIERS,
                Biases(),
                Activation(),
                Experts("num_local_experts", "intermediate_size", "all"),
                Fixed({"normalize": True}),
            ),
        ),
        Family(
            "granitemoeshared",
            "GraniteMoeSharedForCausalLM",
            ("llama", "granite"),
            (
                _llama_like(2048),
                Heads(False),
                Rotary(),
                _MULTIPLIERS,
                Biases(),
                Activation(),
                Experts("num_local_experts", "intermediate_size", "all"),
                Fixed({"normalize": True}),
                SharedExpert("shared_intermediate_size"),
            ),
        ),
        Family(
            "gpt2",
            "GPT2LMHeadModel",
            ("gpt2",),
            (
                Same(
                    vocab_size=("vocabulary_size", REQUIRED),
                    n_embd=("width", REQUIRED),
                    n_layer=("depth", REQUIRED),
                    n_positions=("context_length", 1024),
                    layer_norm_epsilon=("norm_epsilon", 1e-5),
                    tie_word_embeddings=("tie_embeddings", True),
                ),
                GPT2Width(),
                Activation("activation_function", "gelu_new"),
                Fixed(
                    {"norm": "layer", "gated": False, "learned_positions": True}
                    | dict.fromkeys(("qkv_bias", "output_bias", "use_bias"), True),
                    scale_attn_weights=True,
                    scale_attn_by_inverse_layer_idx=False,
                    reorder_and_upcast_attn=False,
                    add_cross_attention=False,
                ),
            ),
            prefix="transformer.",
        ),
    )
}
