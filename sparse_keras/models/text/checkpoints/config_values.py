"""Values: what a published `config.json` says, and which of its keys nobody read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparse_keras._internal.suggest import listing

# Larger numbers are no float32.
_LARGEST = 1e38
# The default of a key that a config must have.
REQUIRED: Any = object()
# Keys that do not change the logits of a trained model, and may have any value.
INERT = frozenset(
    (
        *("architectures", "attention_dropout", "attention_probs_dropout_prob", "attn_pdrop"),
        *("auto_map", "bos_token_id", "classifier_dropout", "hidden_dropout_prob"),
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
        self.inert: set[str] = set(INERT)

    def get(self, key: str, default: Any = None, types: Any = None) -> Any:
        """Returns the value of a key.

        Args:
            key: The key.
            default: What is returned if the config does not have it. `REQUIRED`: an error is
                raised.
            types: The class of the value, or a tuple of classes. `None`: that of the default, if
                it is a number, a string or a list. A bool is not an integer here.

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
        """Returns a number of things: a positive integer, or the default.

        Raises:
            ValueError: If it is missing and has no default, or is no such number.
        """
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

    def integers(self, key: str) -> list[int]:
        """Returns a list of integers; an empty one for null, or if the key is missing.

        Raises:
            ValueError: If it is another value.
        """
        listed = self.get(key, None, (list, type(None))) or []
        if not all(_is(one, int) for one in listed):
            raise self.error(f"has {key}={_short(listed)}, and not numbers of blocks")
        return listed

    def quotient(self, key: str, whole: int, parts: int) -> int:
        """Returns the width of a head, where `key` says how many share the width of the model.

        Raises:
            ValueError: If it is 0.
        """
        if parts > whole:
            raise self.error(f"has {key}={parts}, more heads than the {whole} units of the model")
        return whole // parts

    def refuse(self, key: str, *fine: Any) -> None:
        """Raises a ValueError if a key has a value that no option stands for.

        Args:
            key: The key.
            *fine: The values that it may have. The first is that of a missing key.
        """
        self.read.add(key)
        value = self.config.get(key, fine[0])
        if value not in fine:
            raise self.error(f"has {key}={value!r}; only {listing(fine)} can be loaded")

    def check_all_read(self) -> None:
        """Raises a ValueError if there are keys that no part of the family read."""
        unknown = [
            key
            for key, value in self.config.items()
            if key not in self.read and key not in self.inert and value not in (None, False, [], {})
        ]
        if unknown:
            raise self.error(
                f"sets {listing(unknown)}, which this library does not know. If that has no effect "
                "on what the model computes, remove it from the file"
            )

    def error(self, problem: str) -> ValueError:
        """Returns the error that says a problem: a verb and what follows, without the end."""
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
