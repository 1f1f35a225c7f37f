"""Names of layers and weights."""


def variable_name(name: str) -> str:
    """Returns a name for a sublayer or a weight, without slashes, which separate Keras's paths."""
    return name.replace("/", "_")
