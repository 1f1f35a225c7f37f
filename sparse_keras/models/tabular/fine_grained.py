"""Fine-grained experts: each split into several smaller ones, of which as many more are chosen."""

from sparse_keras._internal.token_choice import EXACTLY_K


def split_experts(experts, router, segments):
    """What DeepSeekMoE makes of experts and their router.

    E experts of hidden width H, of which a token meets k, become `segments * E` of width
    `H / segments`, of which it meets `segments * k`: as many weights and operations, and far more
    ways to combine them.

    Args:
        experts: Dict of a bank with a `"hidden_dim"`: of the type `"mlp"` or `"glu"`.
        router: `"top_k"`, or another router with exactly k experts for each token, or a dict with
            its name under `"type"`.
        segments: Into how many each expert is split.

    Returns:
        Dicts of the bank and of the router.

    Raises:
        ValueError: If the experts cannot be split, or the router is another.

    Example:

    >>> experts = {"type": "mlp", "num_experts": 8, "hidden_dim": 64}
    >>> sparse_keras.models.tabular.fine_grained.split_experts(experts, "top_k", 4)
    ({'type': 'mlp', 'num_experts': 32, 'hidden_dim': 16}, {'type': 'top_k', 'k': 8})

    Reference:
        [DeepSeekMoE](https://arxiv.org/abs/2401.06066), section 3.1.
    """
    hidden_dim = experts.get("hidden_dim") if isinstance(experts, dict) else None
    if hidden_dim is None or hidden_dim % segments:
        raise ValueError(
            f"`segments` splits experts with a `hidden_dim` that it divides. Received: "
            f"segments={segments}, experts={experts!r}."
        )
    router = {"type": router} if isinstance(router, str) else dict(router)
    if router["type"] not in EXACTLY_K or "preset" in router:
        raise ValueError(
            f"With `segments`, the router must be one of {EXACTLY_K}, whose k they multiply, and "
            f"no preset. Received: router={router!r}."
        )
    split = {
        "num_experts": segments * experts["num_experts"],
        "hidden_dim": hidden_dim // segments,
    }
    return experts | split, router | {"k": segments * router.get("k", 2)}
