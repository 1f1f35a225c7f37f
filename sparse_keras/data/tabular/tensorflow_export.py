"""A SavedModel that takes the raw rows of a table: the encoding of `data.features` as a graph.

Whoever serves it needs TensorFlow and nothing of ours. The graph encodes numbers in float64, as
pandas holds them, and reads text as `data.columns` does, so that a row means the same in both.

Axis letters: N rows, n numeric columns, T bins of all columns.
"""

import functools
import json
import keyword
import re
import unicodedata
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sparse_keras.data.tabular.columns import (
    as_frame,
    for_each_category,
)
from sparse_keras.data.tabular.encoded_columns import (
    MAX_STANDARDISED,
    MISSING_CODE,
    UNSEEN_CODE,
)
from sparse_keras.data.tabular.missing import ALWAYS_MISSING, numbers_of
from sparse_keras.data.tabular.tensorflow_dates_and_texts import (
    TextEncoder,
    date_parts,
    stripped,
)
from sparse_keras.tasks import Binary, Multiclass, MultiTask


def export_raw(core, features, filepath, task, verbose=False):
    """Writes a SavedModel whose inputs are raw columns.

    What `tf.saved_model.load(filepath)` returns has a function `serve`, which lives as long as it
    does. It takes a dict with a tensor `[N]` for each column: float64 for a numeric one (NaN:
    missing) and for one of dates (seconds since 1970-01-01 in UTC), string for one of categories or
    of text ("" or another of `data.missing.ALWAYS_MISSING`: missing). The signature
    "serving_default" takes the same by tensor names, which are the columns' own where TensorFlow
    allows them; `assets.extra/columns.json` lists them.

    Both return a dict: "prediction", float32 `[N, outputs]`, as `model.predict` returns it; and for
    a target of classes "class", string `[N]`. For several targets, each has its own: `<target>` and
    `<target>_class`.

    What a graph cannot know is the type that a value had: whoever sends a category that is no text
    writes it as text, and a number in a numeric column as a number. `raw_tensors` does so.

    Args:
        core: The network, a `keras.Model` of encoded rows.
        features: The `data.Features` that encode raw rows.
        filepath: The new folder.
        task: The `Task` with the model's threshold.
        verbose: Whether Keras prints the endpoint.
    """
    encode = Encoder(features)
    names = tensor_names(features.columns)

    def serve(columns):
        predictions = core(encode(columns), training=False)
        if not isinstance(task, MultiTask):
            return served_outputs(task, predictions, "prediction", "class")
        outputs = {}
        for member in task.tasks:
            name = member.name
            outputs |= served_outputs(member, predictions[name], name, f"{name}_class")
        return outputs

    signature = {
        column: tf.TensorSpec([None], dtype, name=names[column])
        for column, dtype in _dtypes(features).items()
    }
    archive = keras.export.ExportArchive()
    for table in encode.tables:
        archive.track(table)
    archive.add_endpoint("serve", serve, input_signature=[signature])
    archive.write_out(filepath, verbose=verbose)
    _write_columns(Path(filepath), features, task, signature)


class Encoder:
    """`Features.encode` as TensorFlow operations.

    Args:
        features: A `data.Features`.

    Call arguments:
        columns: Dict from each column to its tensor `[N]`, float64 or string.

    Returns:
        What the network takes: a dict of "numeric", float32 `[N, numeric_dim]`, "categorical",
        int32 `[N, C]`, and "sparse", a `tf.SparseTensor` `[N, sparse_dim]`; or the bare tensor
        where there is only one of them.
    """

    def __init__(self, features):
        self.features = features
        self.codes = [_table(column) for column in features.categorical]
        self.texts = [TextEncoder(column) for column in features.texts]
        self.tables = [*self.codes, *(text.table for text in self.texts)]

    def __call__(self, columns):
        encoded, features = {}, self.features
        values = [columns[column.name] for column in features.numeric]
        for date in features.dates:
            parts = date_parts(columns[date.name], date.newest)
            values += [parts[part.name] for part in date.parts]
        if values:
            encoded["numeric"] = self._numeric(tf.stack(values, axis=1))
        if features.categorical:
            codes = [
                table.lookup(_keys(columns[column.name], column.ignore_case))
                for table, column in zip(self.codes, features.categorical, strict=True)
            ]
            encoded["categorical"] = tf.stack(codes, axis=1)
        if features.texts:
            blocks = [text(columns[text.column.name]) for text in self.texts]
            encoded["sparse"] = tf.sparse.concat(1, blocks) if len(blocks) > 1 else blocks[0]
        return encoded if len(encoded) > 1 else next(iter(encoded.values()))

    def _numeric(self, values):
        """float64 `[N, n]`, NaN where missing -> float32 `[N, numeric_dim]`."""
        columns = [column for _, column in self.features.numbers]
        mean = np.array([column.mean for column in columns])
        std = np.array([column.std for column in columns])
        missing = tf.math.is_nan(values)
        for number, column in enumerate(columns):
            if declared := numbers_of(column.missing_values):
                is_declared = tf.reduce_any(values[:, number, None] == declared, axis=1)
                missing |= is_declared[:, None] & (tf.range(len(columns)) == number)
        values = tf.where(missing, mean, values)

        # A constant column is 0, whatever its value is now.
        standardised = (values - mean) / np.where(std == 0.0, 1.0, std)
        present = tf.logical_and(~missing, std != 0.0)
        standardised = tf.clip_by_value(standardised, -MAX_STANDARDISED, MAX_STANDARDISED)
        zero = tf.constant(0.0, "float64")
        blocks = [tf.where(present, standardised, zero)]

        edges = [np.asarray(column.boundaries, "float64") for column in columns]
        column_of_bin = np.repeat(np.arange(len(columns)), [column.num_bins for column in columns])
        if len(column_of_bin):
            low = np.concatenate([edge[:-1] for edge in edges])
            width = np.concatenate([np.diff(edge) for edge in edges])
            filled = (tf.gather(values, column_of_bin, axis=1) - low) / width  # [N, T]
            absent = tf.gather(missing, column_of_bin, axis=1)
            blocks.append(tf.where(absent, zero, tf.clip_by_value(filled, 0.0, 1.0)))

        indicated = [number for number, column in enumerate(columns) if column.has_missing]
        if indicated:
            blocks.append(tf.cast(tf.gather(missing, indicated, axis=1), "float64"))
        return tf.cast(tf.concat(blocks, axis=1), "float32")


def tensor_names(columns):
    """A name for each column's tensor: its own where TensorFlow takes it as an argument's name.

    Args:
        columns: Names of columns.

    Returns:
        Dict from column to name. Names are distinct in any case, and with "_" for "-" and ".".
    """
    names, taken = {}, {"self"}
    for column in columns:
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", column)
        if not stem[:1].isalpha() or keyword.iskeyword(stem):
            stem = f"column_{stem}"
        name, number = stem, 1
        while (argument := re.sub(r"\W", "_", name).lower()) in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(argument)
        names[column] = name
    return names


def raw_tensors(features, table):
    """Raw columns as the exported model takes them.

    Args:
        features: The model's `data.Features`.
        table: A DataFrame, a dict of columns, or a dict of scalars (one row).

    Returns:
        Dict from each column to a NumPy array `[N]`: float64, or object for text.
    """
    frame = as_frame(table, features.columns)
    tensors = {column.name: column.values(frame[column.name]) for column in features.numeric}
    tensors |= {column.name: column.seconds(frame[column.name]) for column in features.dates}
    for column in features.texts:
        tensors[column.name] = np.array(column.texts(frame[column.name]), dtype=object)
    for column in features.categorical:
        tensors[column.name] = for_each_category(
            frame[column.name], functools.partial(_tensor_value, column), object
        )
    return tensors


def _tensor_value(column, value):
    """Text as it is, blanks and all; of other values the category that they are."""
    if isinstance(value, str):
        return value
    code = column.code(value)
    known = code > UNSEEN_CODE
    return column.vocabulary[code - UNSEEN_CODE - 1] if known else column.key(value) or ""


def _dtypes(features):
    numbers = (*features.numeric, *features.dates)
    dtypes = dict.fromkeys((column.name for column in numbers), tf.float64)
    texts = (*features.categorical, *features.texts)
    return dtypes | dict.fromkeys((column.name for column in texts), tf.string)


def _table(column):
    """The codes of a column's keys, those that mean "missing" among them."""
    codes = {key or "": code for key, code in column.codes.items()}
    codes |= dict.fromkeys(ALWAYS_MISSING, MISSING_CODE)
    # A graph cannot compose characters: both forms of Unicode are listed.
    codes |= {unicodedata.normalize("NFD", key): code for key, code in codes.items()}
    initializer = tf.lookup.KeyValueTensorInitializer(
        tf.constant(list(codes), tf.string), tf.constant(list(codes.values()), tf.int32)
    )
    return tf.lookup.StaticHashTable(initializer, default_value=UNSEEN_CODE)


def _keys(text, ignore_case):
    """What `CategoricalColumn.key` makes of text, string `[N]`."""
    text = tf.strings.regex_replace(stripped(text), r"^([-+]?[0-9]+)\.0+$", r"\1")
    if ignore_case:
        return tf.strings.lower(text, encoding="utf-8")
    is_bool = tf.strings.regex_full_match(text, "(?i)true|false")
    return tf.where(is_bool, tf.strings.lower(text), text)


def served_outputs(task, prediction, name, class_name):
    """What is served of one target."""
    outputs = {name: prediction}
    if isinstance(task, (Binary, Multiclass)):
        outputs[class_name] = _decode(prediction, task)
    return outputs


def _decode(prediction, task):
    """The class of each row, as the task's `decode` returns it."""
    classes = tf.constant([str(one) for one in task.classes])
    if isinstance(task, Binary):
        # Of float32 both, as in `tasks.thresholds.is_positive`.
        is_positive = tf.cast(prediction[:, 0], "float32") >= tf.constant(task.threshold, "float32")
        return tf.gather(classes, tf.cast(is_positive, "int32"))
    return tf.gather(classes, tf.argmax(prediction, axis=1))


def _described(task):
    classes = getattr(task, "classes", getattr(task, "labels", ()))
    described = {"target": task.name, "task": task.kind, "classes": [str(one) for one in classes]}
    return described if task.threshold is None else described | {"threshold": task.threshold}


def _write_columns(folder, features, task, signature):
    """Says beside the model what its tensors are, for whoever writes a client."""
    kinds = {column.name: column.kind for column in (*features.dates, *features.texts)}
    content = {
        "inputs": {
            column: {"tensor": spec.name, "dtype": spec.dtype.name}
            | ({"unit": "seconds since 1970-01-01 UTC"} if kinds.get(column) == "date" else {})
            for column, spec in signature.items()
        }
    }
    if isinstance(task, MultiTask):
        content["targets"] = [_described(member) for member in task.tasks]
    else:
        content |= _described(task)
    extra = folder / "assets.extra"
    extra.mkdir()
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (extra / "columns.json").write_text(text, encoding="utf-8")
