"""Which columns a model of a table uses, where it has a feature gate."""

import keras

from sparse_keras.layers import FeatureGate


def selected_features(model: keras.Model) -> list[str]:
    """Returns the names of the raw columns whose gate is open.

    Args:
        model: A `PreprocessedModel` of a table, such as `load_model` returns.

    Raises:
        ValueError: If the model has no feature gate.
    """
    gates = [layer for layer in model.core.layers if isinstance(layer, FeatureGate)]
    if not gates:
        raise ValueError(f"The model {model.name!r} has no feature gate: it uses all columns.")
    columns = model.preprocessor.features.columns
    return [columns[column] for column in gates[0].selected_features()]
