"""Rotary positions in a `config.json`: `rope_parameters`, or `rope_theta` and `rope_scaling`."""

from __future__ import annotations

from typing import Any

from sparse_keras._internal.suggest import listing
from sparse_keras.layers import RotaryEmbedding
from sparse_keras.layers.transformer.rotary_frequencies import OPTIONS as ROTARY_OPTIONS
from sparse_keras.models.text.checkpoints.config_values import Values
from sparse_keras.models.text.checkpoints.options import rotary_options


class Rotary:
    """The rotary positions of a family.

    Args:
        theta: Default of `rope_theta`.
        interleaved: Whether neighbours are rotated together, or the key that says so.
        mscale: Whether YaRN's `mscale_all_dim` scales the attention, too, as in DeepSeek.
        **default: The `rope_scaling` of a config that has none.
    """

    def __init__(
        self,
        theta: float = 10000.0,
        interleaved: bool | str = False,
        mscale: bool = False,
        **default: Any,
    ) -> None:
        self.theta, self.interleaved, self.mscale = theta, interleaved, mscale
        self.default = default

    def read(self, values: Values, options: dict[str, Any]) -> None:
        dict_or_none = (dict, type(None))
        given = values.get("rope_parameters", None, dict_or_none)
        if given is None:
            given = values.get("rope_scaling", None, dict_or_none)
            given = dict(self.default) if given is None else given
        else:
            values.read.add("rope_scaling")  # Transformers writes both.
        given = dict(given)
        # Top-level keys of older files.
        theta = values.get("rope_theta", None, (int, float, type(None)))
        partial = values.get("partial_rotary_factor", None, (int, float, type(None)))
        theta = given.pop("rope_theta", None) or theta or self.theta
        share = given.pop("partial_rotary_factor", None) or partial
        found: dict[str, Any] = {"theta": values.real("rope_theta", theta)}
        found["partial_rotary_factor"] = (
            1.0 if share is None else values.real("partial_rotary_factor", share)
        )
        kind = given.pop("rope_type", None)
        kind = given.pop("type", None) if kind is None else given.pop("type", kind) and kind
        kind = found["rope_type"] = kind or "default"
        if kind not in list(ROTARY_OPTIONS):
            raise values.error(
                f"has rotary positions of the type {kind!r}; only {listing(ROTARY_OPTIONS)} can be "
                "loaded"
            )
        used = ROTARY_OPTIONS[kind]
        given.pop("finetuned", None)
        if "original_max_position_embeddings" in used:
            given.setdefault("original_max_position_embeddings", options["context_length"])
        known = {name for names in ROTARY_OPTIONS.values() for name in names}
        if unknown := [name for name in given if name not in known]:
            raise values.error(f"has rotary positions with {listing(unknown)}, which are unknown")
        # Transformers treats 0 and null as missing.
        found |= {name: given[name] for name in used if given.get(name) not in (None, 0)}
        if "truncate" in used:
            found["truncate"] = given.get("truncate", True)
        if not ("mscale" in found and "mscale_all_dim" in found) or "attention_factor" in found:
            found.pop("mscale", None)
            if not self.mscale:
                found.pop("mscale_all_dim", None)
        interleaved = self.interleaved
        if isinstance(interleaved, str):
            interleaved = values.get(interleaved, True)
        for name in ("beta_fast", "beta_slow", "factor", "low_freq_factor", "high_freq_factor"):
            if name in found:
                found[name] = values.real(name, found[name])
        try:
            rotary = RotaryEmbedding(**found, interleaved=bool(interleaved))
            rotary.score_factor  # noqa: B018  # Of absurd values, it is no number.
        except (TypeError, ValueError, OverflowError) as error:
            raise values.error(f"has rotary positions that make no sense: {error}") from error
        options["rotary"] = rotary_options(rotary)

    def write(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["rotary"] is None:
            return {}
        found = dict(options["rotary"])
        interleaved = found.pop("interleaved")
        partial = found.pop("partial_rotary_factor")
        parameters = {"rope_type": found.pop("rope_type"), "rope_theta": found.pop("theta")}
        if partial != 1.0:
            parameters["partial_rotary_factor"] = partial
        parameters |= {name: value for name, value in found.items() if value is not None}
        config: dict[str, Any] = {"rope_parameters": parameters}
        if isinstance(self.interleaved, str):
            config[self.interleaved] = interleaved
        return config

    @staticmethod
    def score_factor(options: Any) -> float:
        """What YaRN multiplies the scale of latent attention by."""
        return 1.0 if options is None else RotaryEmbedding(**dict(options)).score_factor
