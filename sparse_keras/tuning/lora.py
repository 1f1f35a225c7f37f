"""LoRA over a whole model: low-rank updates of chosen layers, everything else frozen."""

import warnings
from collections.abc import Iterable

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.roles import LORA_ROLES
from sparse_keras._internal.suggest import listing
from sparse_keras.layers.experts import Experts
from sparse_keras.layers.lora import LoraKernel
from sparse_keras.layers.validation import optional_number, positive_int
from sparse_keras.tuning.compiled import weights_have_changed
from sparse_keras.tuning.freezing import freeze_part
from sparse_keras.tuning.roles import Part, checked_roles, roles_of

# Layers of Keras with an `enable_lora` of their own.
KERAS_LAYERS = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding)


def enable_lora(
    model: keras.layers.Layer,
    rank: int,
    lora_alpha: float | None = None,
    roles: Iterable[str] | None = None,
    train: Iterable[str] = (),
) -> None:
    """Freezes a model, and gives its matrices trainable updates of low rank (LoRA).

        x @ kernel + alpha / rank * (x @ A) @ B

    Each expert has its own A and B. B is zero at first, so that the model computes what it did. The
    model may be one of ours or any Keras model with our layers. If it is compiled, `fit` goes on
    with a new optimizer of the same settings.

    Args:
        model: A built model.
        rank: Rank of each update.
        lora_alpha: Updates are scaled by `lora_alpha / rank`. `None` means `rank`.
        roles: Roles of the layers that get updates; see `sparse_keras.tuning.ROLES`. `None` means
            those of `"experts"`, `"router"` and `"attention"` that the model has; layers among them
            that do not support LoRA are frozen, with a warning.
        train: Roles whose weights are trained in full beside the updates, such as `"head"`.

    Raises:
        ValueError: If the model is not built or has LoRA already, a role is unknown, missing, or
            in both `roles` and `train`, or a matrix has a constraint. The model is left as it was.
        NotImplementedError: If a layer with one of the `roles` does not support LoRA.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     sparse_keras.layers.MixtureOfExperts(
    ...         sparse_keras.layers.GLUExperts(num_experts=4, hidden_dim=16)
    ...     ),
    ... ])
    >>> sparse_keras.enable_lora(model, rank=2)
    >>> sorted(v.name for v in model.trainable_variables)[:2]
    ['expert_down_lora_kernel_a', 'expert_down_lora_kernel_b']
    >>> sparse_keras.merge_lora(model)

    Reference:
        [LoRA](https://arxiv.org/abs/2106.09685).
    """
    # All checks come before the first change.
    rank = positive_int("rank", rank)
    lora_alpha = optional_number("lora_alpha", lora_alpha, "(0, inf)")
    found = roles_of(model)
    if tuned := lora_layers(model):
        raise ValueError(
            f"LoRA is already enabled in {listing(layer.name for layer in tuned)}. Call "
            "`sparse_keras.merge_lora(model)` before you enable it again."
        )
    chosen = LORA_ROLES if roles is None else checked_roles(roles, found, "roles")
    train = checked_roles(train, found, "train") if tuple(train) else ()
    if both := set(chosen) & set(train):
        raise ValueError(
            f"A role gets updates of low rank or is trained in full. Received in `roles` and in "
            f"`train`: {', '.join(sorted(both))}."
        )
    layers, refusing = [], {}
    for part in (part for role in chosen for part in found.get(role, [])):
        kernels, reason = _kernels_of(part)
        layers += kernels
        if reason is not None:
            refusing[part.layer.name] = reason
    if refusing and roles is not None:
        name, reason = next(iter(refusing.items()))
        raise NotImplementedError(
            f"LoRA is not supported by {listing(refusing)}. {name!r}: {reason} Choose other "
            "`roles`."
        )
    if not layers:
        raise ValueError(
            f"The model has no matrices with the roles {', '.join(chosen)} that support LoRA. It "
            f"has layers with the roles {', '.join(found)}; pass some of these as `roles`."
        )
    if refusing:
        warnings.warn(
            f"LoRA is not supported by {listing(refusing)}, which are frozen.", stacklevel=2
        )
    if held := constrained(layers):
        raise ValueError(
            f"LoRA does not fit a constraint, which would not hold for the sum of kernel and "
            f"update. Received: constraints in {listing(held)}."
        )
    for role, parts in found.items():
        for part in parts if role not in train else ():
            freeze_part(part, but=layers)
    for layer in layers:
        layer.enable_lora(rank, lora_alpha)
    weights_have_changed(model)


def merge_lora(model: keras.layers.Layer) -> None:
    """Adds all updates of low rank to the kernels, and removes their matrices.

        kernel = kernel + alpha / rank * A @ B

    The model computes what it did, with as many weights as before `enable_lora`. What was frozen
    stays frozen, but for the kernels that had updates: they are trainable again.

    Args:
        model: A model with LoRA in some of its layers.

    Raises:
        ValueError: If no layer has LoRA.
    """
    layers = lora_layers(model)
    if not layers:
        raise ValueError(
            f"No layer of {model.name!r} has LoRA. Call `sparse_keras.enable_lora(model, rank)` "
            "before."
        )
    for layer in layers:
        if isinstance(layer, LoraKernel):
            layer.merge_lora()
        else:
            keras_private.merge_lora(layer)
    weights_have_changed(model)


def lora_layers(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers of a model, however deep, in which LoRA is enabled, ours and Keras's."""
    return [
        layer
        for layer in keras_private.all_layers(model)
        if isinstance(layer, (LoraKernel, *KERAS_LAYERS)) and layer.lora_enabled
    ]


def constrained(layers: Iterable[keras.layers.Layer]) -> list[str]:
    """Returns the names of layers with a constraint on the matrix that LoRA would update."""
    names = ("kernel_constraint", "embeddings_constraint")
    return [layer.name for layer in layers if any(getattr(layer, n, None) for n in names)]


def _kernels_of(part: Part) -> tuple[list[keras.layers.Layer], str | None]:
    """The layers of a part that LoRA can update, or none and the reason why not."""
    layers = keras_private.all_layers(part.layer) if part.whole else [part.layer]
    kernels = [layer for layer in layers if isinstance(layer, (LoraKernel, *KERAS_LAYERS))]
    for layer in kernels:
        if isinstance(layer, LoraKernel) and (reason := layer.why_no_lora()):
            return [], reason
    if kernels:
        return kernels, None
    if isinstance(part.layer, Experts):
        return [], "its experts are copies of a template, which does not know their updates."
    return [], "it has no matrices that are Dense, EinsumDense or Embedding layers."
