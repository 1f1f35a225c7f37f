"""dense_twin: the dense model that a sparse one has to beat."""

from sparse_keras.building import build_network
from sparse_keras.data import load_data
from sparse_keras.models import flops_per_example


def dense_twin(config, data=None):
    """Derives the dense config of equal active FLOPs.

    Everything but the blocks stays: data, stem, depth, optimizer, training. The blocks become
    dense, with the `hidden_dim` that brings the floating-point operations of one example (router
    and shared expert included) closest to those of the sparse model.

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
        return flops_per_example(build_network(_with_hidden_dim(config, hidden_dim), data.features))

    # The cost grows with hidden_dim: double it until it is too much, then bisect.
    low, high = 1, 2
    while flops(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if flops(middle) < target else (low, middle)
    nearest = min((low, high), key=lambda hidden_dim: abs(flops(hidden_dim) - target))
    return _with_hidden_dim(config, nearest)


def _with_hidden_dim(config, hidden_dim):
    sparse = config.model.model_dump()
    shared = ("embedding_dim", "stem", "depth", "dropout", "residual", "feature_gate")
    dense = {name: sparse[name] for name in shared}
    dense |= {
        "type": "dense_mlp",
        "hidden_dim": hidden_dim,
        "activation": sparse["experts"]["activation"],
    }
    # Validated afresh: a twin is a config like any other.
    twin = type(config).model_validate({**config.model_dump(), "model": dense})
    return twin.renamed(f"{config.name} (dense twin)")
