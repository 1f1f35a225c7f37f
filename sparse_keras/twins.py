"""dense_twin: the dense model that a sparse one has to beat."""

import math

from sparse_keras.building import build_network
from sparse_keras.data import load_data
from sparse_keras.models import flops_per_example


def dense_twin(config, data=None):
    """Derives the dense config of equal active FLOPs.

    Everything but the blocks stays: data, stem, depth, optimizer, training. The blocks become
    dense, with the `hidden_dim` that brings the floating-point operations of one example (router
    and shared expert included) closest to those of the sparse model. For a ThresholdRouter, that is
    the cost of the most experts it may open.

    Args:
        config: A `Config` whose model is `sparse_mlp`.
        data: What `load_data(config)` returned. `None` to load it here.

    Returns:
        A `Config` whose model is `dense_mlp`.

    Raises:
        ValueError: If the model is not sparse.

    Example:

    ```python
    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    twin = sparse_keras.dense_twin(config)
    twin.model.hidden_dim
    ```
    """
    if config.model.type != "sparse_mlp":
        raise ValueError(
            "`dense_twin` expects a config whose model.type is 'sparse_mlp'. Received: "
            f"{config.model.type!r}."
        )
    data = load_data(config) if data is None else data
    target = flops_per_example(build_network(config, data.features))

    def flops(hidden_dim):
        twin = _with_hidden_dim(config, hidden_dim)
        return flops_per_example(build_network(twin, data.features))

    # The cost is a polynomial of hidden_dim of degree 2 at most, so three values give it whole.
    one, two, three = (flops(hidden_dim) for hidden_dim in (1, 2, 3))
    quadratic = (three - 2 * two + one) / 2
    linear = two - one - 3 * quadratic
    constant = one - linear - quadratic - target
    # The root in a form that has no division by zero where the cost is linear.
    root = -2 * constant / (linear + math.sqrt(linear**2 - 4 * quadratic * constant))
    return _with_hidden_dim(config, max(1, round(root)))


def _with_hidden_dim(config, hidden_dim):
    sparse = config.model.model_dump()
    shared = ("embedding_dim", "stem", "depth", "dropout", "residual", "feature_gate")
    shared += ("numeric_embedding",)
    dense = {name: sparse[name] for name in shared}
    dense |= {
        "type": "dense_mlp",
        "hidden_dim": hidden_dim,
        "activation": sparse["experts"]["activation"],
    }
    # Validated afresh: a twin is a config like any other.
    twin = type(config).model_validate({**config.model_dump(), "model": dense})
    return twin.renamed(f"{config.name} (dense twin)")
