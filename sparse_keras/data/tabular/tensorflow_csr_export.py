"""A model of a sparse matrix as a SavedModel that takes the three arrays of a CSR matrix.

`keras.Model.export` gives such a model a dense input.
"""

import keras
import tensorflow as tf

from sparse_keras.data.tabular.tensorflow_export import served_outputs


def export_sparse(network, filepath, task, verbose=False):
    """Writes a SavedModel whose inputs are the arrays of a CSR matrix.

    What `tf.saved_model.load(filepath)` returns has a function `serve`. It takes a dict of
    "row_splits", int64 `[N+1]` (`matrix.indptr`), "columns", int64 `[M]` (`matrix.indices`, sorted
    in each row), and "values", float32 `[M]` (`matrix.data`).

    Args:
        network: The network, a `keras.Model` with one sparse input.
        filepath: The new folder.
        task: The `Task` with the model's threshold: of classes, "class" is served beside
            "prediction".
        verbose: Whether Keras prints the endpoint.
    """
    width = network.input.shape[-1]

    def serve(arrays):
        splits = arrays["row_splits"]
        count = tf.shape(splits, out_type=tf.int64)[0] - 1
        rows = tf.repeat(tf.range(count), splits[1:] - splits[:-1])
        x = tf.SparseTensor(
            tf.stack([rows, arrays["columns"]], axis=1),
            arrays["values"],
            tf.stack([count, tf.constant(width, tf.int64)]),
        )
        return served_outputs(task, network(x, training=False), "prediction", "class")

    signature = {
        "row_splits": tf.TensorSpec([None], tf.int64, name="row_splits"),
        "columns": tf.TensorSpec([None], tf.int64, name="columns"),
        "values": tf.TensorSpec([None], tf.float32, name="values"),
    }
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serve", serve, input_signature=[signature])
    archive.write_out(filepath, verbose=verbose)


def csr_tensors(matrix):
    """A CSR matrix as the exported model takes it: a dict of NumPy arrays."""
    return {
        "row_splits": matrix.indptr.astype("int64"),
        "columns": matrix.indices.astype("int64"),
        "values": matrix.data.astype("float32"),
    }
