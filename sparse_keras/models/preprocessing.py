"""preprocessed: joins a network and its preprocessing, in the class that fits them."""

from __future__ import annotations

from typing import Any

import keras

from sparse_keras.data import LanguagePreprocessor, Preprocessor
from sparse_keras.models.preprocessed_model import PreprocessedModel
from sparse_keras.models.text.language_model import CausalLM
from sparse_keras.models.text.text_generator import TextGenerator


def preprocessed(
    core: keras.Model, preprocessor: Preprocessor, threshold: Any = None
) -> PreprocessedModel:
    """Joins a network and the preprocessing of the raw examples that it is trained on.

    Args:
        core: The network, a `keras.Model` of encoded inputs.
        preprocessor: The `data.Preprocessor`.
        threshold: As for `PreprocessedModel`. `None` where the task has none.

    Returns:
        A `TextGenerator` for a `CausalLM` and its tokenizer, else a `PreprocessedModel`.

    Raises:
        ValueError: If they do not fit each other.

    Example:

    ```python
    data = sparse_keras.load_data(config)
    core = sparse_keras.build_model(config, data)
    model = sparse_keras.models.preprocessed(core, data.preprocessor)
    ```
    """
    if isinstance(core, CausalLM) and isinstance(preprocessor, LanguagePreprocessor):
        if threshold is not None:
            preprocessor.task.with_threshold(threshold)  # It raises: there is none.
        return TextGenerator(core, preprocessor)
    return PreprocessedModel(core, preprocessor, threshold)
