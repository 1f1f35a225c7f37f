"""Options of routers that choose k experts: names, presets, and which do not go together.

The layers (`layers.TopKRouter`, `layers.HierarchicalRouter`) and the schema of configs read it. It
needs neither Keras nor pydantic.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sparse_keras._internal.suggest import did_you_mean

SCORES = ("softmax", "sigmoid", "sqrt_softplus", "identity")
SELECT_ON = ("score", "score_plus_bias", "logits")
GROUP_SCORES = ("max", "top2_sum")
# Routers with exactly k experts for each token, by the names that configs use. For these, experts
# can be split into segments, with k multiplied accordingly.
EXACTLY_K = ("top_k", "cosine", "hierarchical", "sinkhorn")

# The router of each family of models, as keyword arguments of TopKRouter. "config" is the published
# configuration of the checkpoint named before. tests/layers/routers/test_hugging_face_routers.py
# shows that all equal the modules of Hugging Face's transformers.
PRESETS: dict[str, dict[str, Any]] = {
    # Mixtral of Experts (arXiv 2401.04088), section 2.1: the softmax over the best two logits,
    # which is the same as dividing by their sum.
    "mixtral": {"k": 2, "normalize": True},
    # Qwen1.5-MoE-A2.7B, config: num_experts_per_tok 4 of 60, norm_topk_prob false.
    "qwen2_moe": {"k": 4, "normalize": False},
    # Qwen3-30B-A3B, config: num_experts_per_tok 8 of 128, norm_topk_prob true.
    "qwen3_moe": {"k": 8, "normalize": True},
    # OLMoE (arXiv 2409.02060), table 1, and the config of OLMoE-1B-7B: 8 of 64, not normalised.
    "olmoe": {"k": 8, "normalize": False},
    # DeepSeek-V2 (arXiv 2405.04434), section 2.2.2, and config: 6 of 160, n_group 8, topk_group 3,
    # topk_method group_limited_greedy, routed_scaling_factor 16. (V2-Lite: no groups, scale 1.)
    "deepseek_v2": {
        "k": 6,
        "normalize": False,
        "num_groups": 8,
        "groups_kept": 3,
        "group_score": "max",
        "scale": 16.0,
    },
    # DeepSeek-V3 (arXiv 2412.19437), equations 12 to 16, and config: 8 of 256, n_group 8,
    # topk_group 4, norm_topk_prob true, routed_scaling_factor 2.5. The bias balances, not a loss.
    "deepseek_v3": {
        "k": 8,
        "score": "sigmoid",
        "select_on": "score_plus_bias",
        "normalize": True,
        "num_groups": 8,
        "groups_kept": 4,
        "group_score": "top2_sum",
        "scale": 2.5,
        "balance_loss": 0.0,
    },
    # gpt-oss (model card, arXiv 2508.10925), section 2.2, and the config of gpt-oss-120b: 4 of 128;
    # the softmax over the best logits, which have a bias.
    "gpt_oss": {"k": 4, "score": "identity", "normalize": "softmax", "use_bias": True},
    # granite-3.0-1b-a400m, config: 8 of 32; the softmax over the best logits.
    "granite_moe": {"k": 8, "score": "identity", "normalize": "softmax"},
    # Switch Transformers (arXiv 2101.03961), section 2.1 and table 11: one expert, weighted by its
    # score; the router's input has noise of 1 % in training.
    "switch": {"k": 1, "normalize": False, "jitter": 0.01},
}


def with_preset(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a preset, overridden by those that are given.

    Args:
        name: One of `PRESETS`.
        given: Dict of arguments. With `num_groups=None`, which removes the preset's groups, its
            other arguments on groups are removed as well.

    Raises:
        ValueError: If there is no such preset.
    """
    if name not in PRESETS:
        hint = did_you_mean(name, PRESETS)
        raise ValueError(f"There is no preset {name!r}.{hint} The presets are {list(PRESETS)}.")
    values = dict(PRESETS[name])
    if "num_groups" in given and given["num_groups"] is None:
        values.pop("groups_kept", None)
        values.pop("group_score", None)
    return {**values, **given}


def conflicts(spec: Any) -> Iterator[tuple[str, str]]:
    """Yields `(argument, reason)` for each argument that does not go with the others.

    Args:
        spec: An object with the arguments as attributes: a TopKRouter, or its section of a config.
    """
    alone = {True: "true", "softmax": "softmax"}.get(spec.normalize)
    if spec.k == 1 and alone:
        yield (
            "normalize",
            f"{alone} with k: 1 makes every weight 1, so the router would get no gradient",
        )
    if spec.normalize == "softmax" and spec.score == "softmax":
        yield (
            "normalize",
            "softmax of scores that are a softmax already would make all weights nearly equal. The "
            "softmax over the chosen logits is score: identity, or normalize: true",
        )
    if spec.score == "identity" and spec.normalize in (True, False):
        yield (
            "normalize",
            f"{str(spec.normalize).lower()} with score: identity would make weights of logits, "
            "which may be negative, and so may their sum. Leave it out for their softmax",
        )
    if spec.score == "identity" and spec.select_on == "logits":
        yield "select_on", "logits are what score: identity selects on anyway. Leave it out"
    if spec.num_groups is None:
        if spec.groups_kept is not None:
            yield "groups_kept", "has no effect: there are no groups without num_groups"
        if spec.group_score != "max":
            yield "group_score", "has no effect: there are no groups without num_groups"
    elif spec.groups_kept is None:
        yield "num_groups", "needs groups_kept, the number of groups that a token's experts are in"
    elif spec.groups_kept >= spec.num_groups:
        yield (
            "groups_kept",
            f"{spec.groups_kept} of num_groups: {spec.num_groups} leaves no group out. Keep fewer, "
            "or have no groups",
        )
    if spec.load_loss and not spec.noise:
        yield "load_loss", "needs noise: without it, the load has no smooth estimate"
    elif spec.load_loss and (spec.num_groups or spec.select_on == "score_plus_bias"):
        choice = "groups" if spec.num_groups else "selection bias"
        yield (
            "load_loss",
            f"estimates the load of the best logits, which a choice by {choice} is not",
        )


def misfits(spec: Any, num_experts: int) -> Iterator[tuple[str, str]]:
    """Yields `(argument, reason)` for each argument that does not go with the number of experts.

    Args:
        spec: As for `conflicts`, which must have yielded nothing.
        num_experts: E.
    """
    if spec.load_loss and spec.k >= num_experts:
        yield "load_loss", f"{num_experts} experts for every token have nothing to balance"
    groups, kept = spec.num_groups, spec.groups_kept
    if groups is None or kept is None:
        return
    if num_experts % groups:
        yield "num_groups", f"{num_experts} experts cannot be put into {groups} groups of one size"
        return
    size = num_experts // groups
    if size < 2:
        needed = "the sum of its best two" if spec.group_score == "top2_sum" else "a choice inside"
        yield (
            "num_groups",
            f"{groups} groups of {num_experts} experts have one expert each: no group has {needed}",
        )
    elif kept * size < spec.k:
        yield (
            "groups_kept",
            f"{kept} groups of {size} experts have fewer than the k experts of a token, which are "
            f"{spec.k}",
        )
    elif spec.group_score == "max" and kept >= spec.k:
        yield (
            "groups_kept",
            f"{kept} has no effect with group_score: max and k: {spec.k}: the k best "
            "experts are in the k best groups anyway. Keep fewer groups than k, or have none",
        )


def hierarchy_conflicts(spec: Any) -> Iterator[tuple[str, str]]:
    """Yields the same as `conflicts`, for a HierarchicalRouter."""
    if spec.num_groups == 1:
        yield "num_groups", "1 leaves the gate of groups no choice. Take more, or a top_k router"
        return
    if spec.groups_kept > spec.num_groups:
        yield (
            "groups_kept",
            f"{spec.groups_kept} is more than num_groups, which is {spec.num_groups}",
        )
    elif spec.k % spec.groups_kept:
        yield "groups_kept", f"{spec.groups_kept} does not divide k: each group has as many experts"
    elif spec.normalize is True:
        alone = {"a group": spec.groups_kept == 1, "an expert": spec.groups_kept == spec.k}
        for choice, is_alone in alone.items():
            if is_alone:
                yield (
                    "normalize",
                    f"true divides the score of {choice} that is chosen alone by itself, so its "
                    "gate would get no gradient. Leave it out, or choose more",
                )


def hierarchy_misfits(spec: Any, num_experts: int) -> Iterator[tuple[str, str]]:
    """Yields the same as `misfits`, for a HierarchicalRouter."""
    if num_experts % spec.num_groups:
        yield (
            "num_groups",
            f"{num_experts} experts cannot be put into {spec.num_groups} groups of one size",
        )
        return
    size, chosen = num_experts // spec.num_groups, spec.k // spec.groups_kept
    if size < 2:
        yield (
            "num_groups",
            f"{spec.num_groups} groups of {num_experts} experts have one expert each, and nothing "
            "to choose in a group. Take fewer, or a top_k router",
        )
    elif chosen > size:
        yield (
            "k",
            f"{spec.k} of {spec.groups_kept} group{'s' * (spec.groups_kept > 1)} are {chosen} of "
            f"each, which has {size} experts",
        )
