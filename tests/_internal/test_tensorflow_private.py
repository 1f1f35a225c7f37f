"""TensorFlow's own modules: used in one file, each with a test of what depends on it."""

import re
from pathlib import Path

import numpy as np
import pytest

import sparse_keras

pytestmark = pytest.mark.tensorflow
PRIVATE = re.compile(r"tensorflow\.(python|compiler|core)\b")


def test_only_one_file_uses_them():
    package = Path(sparse_keras.__file__).parent
    files = [path for path in package.rglob("*.py") if PRIVATE.search(path.read_text())]
    assert [path.name for path in files] == ["tensorflow_private.py"]


def test_compiles_with_xla():
    """Without it, a compiled `fit` takes the path of shapes that depend on data, and fails."""
    import tensorflow as tf

    from sparse_keras._internal.tensorflow_private import compiles_with_xla

    answers = {}

    def ask(name):
        def function(x):
            answers[name] = compiles_with_xla()
            return x

        return function

    outer = tf.function(ask("inside"))
    tf.function(ask("graph"))(tf.constant(1))
    tf.function(ask("XLA"), jit_compile=True)(tf.constant(1))
    tf.function(lambda x: outer(x), jit_compile=True)(tf.constant(1))
    ask("eager")(1)
    assert answers == {"graph": False, "XLA": True, "inside": True, "eager": False}


def test_slices_from_a_start_that_depends_on_data():
    """Without them, experts under XLA are compiled again for each routing."""
    import tensorflow as tf

    from sparse_keras._internal.tensorflow_private import dynamic_slice, dynamic_update_slice

    @tf.function(jit_compile=True)
    def double(x, start):
        start = tf.stack([start, 0])
        part = dynamic_slice(x, start, (2, 3))
        return part, dynamic_update_slice(x, 2 * part, start)

    x = np.arange(12, dtype="float32").reshape(4, 3)
    part, updated = double(tf.constant(x), tf.constant(1))
    np.testing.assert_array_equal(part, x[1:3])
    np.testing.assert_array_equal(updated, x * [[1], [2], [2], [1]])
