"""load_model: what `train` saved, with the classes of plug-ins."""

from __future__ import annotations

import os
import pathlib
import zipfile

import keras

from sparse_keras._internal import builders
from sparse_keras.schema.plugins import load_installed
from sparse_keras.training.runs.folder import RunFolder


def load_model(path: str | os.PathLike) -> keras.Model:
    """Loads what `train` saved.

    Args:
        path: A run's folder, or a `.keras` file.

    Returns:
        The Keras model. A `PreprocessedModel`, as `train` saves it of a table, predicts from raw
        columns: a DataFrame, a dict of columns, or a dict of one row's values. A `TextGenerator`,
        as it saves a language model, continues texts: `generate`.

    Raises:
        ValueError: If there is no such file, or it is not a Keras model.

    Example:

    ```python
    model = sparse_keras.load_model("runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00")
    model.predict({"age": 39, "workclass": "State-gov", ...})
    ```
    """
    path = pathlib.Path(path)
    file = path
    if path.is_dir():
        run = RunFolder(path)
        file = run.model_file
        if not file.is_file():
            run.check_model()  # It says what is missing.
    if not file.is_file():
        raise ValueError(
            f"Expected a run's folder or a .keras file. There is no file {str(file)!r}."
        )
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{str(file)!r} is not a .keras file, or only a part of one.")
    # A model of plug-ins is made of classes that Keras knows once they are imported.
    load_installed()
    builders.import_all()
    try:
        model = keras.models.load_model(file)
    except (ValueError, TypeError) as error:  # A class that is not known, for example.
        # Keras reports each object around the one that is wrong, with all that it holds.
        innermost = str(error).rpartition("Exception encountered: ")[2]
        first = innermost.strip().partition("\n")[0]
        raise ValueError(f"Keras could not load {str(file)!r}: {first}") from error
    except Exception as error:  # A damaged file can lead to nearly any.
        first = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{str(file)!r} is damaged, or was not written by Keras. {type(error).__name__}: "
            f"{first}"
        ) from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a model in {str(file)!r}. It holds a {type(model).__name__}.")
    return model
