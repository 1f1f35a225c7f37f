"""Settings of the whole test run."""

import contextlib
import functools
import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# XLA takes a quarter less time to compile a program that runs once, and computes the same.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras
import pytest

BACKENDS = ("tensorflow", "jax", "torch")


def pytest_collection_modifyitems(items):
    """A test marked with a backend runs on that backend only."""
    for item in items:
        wanted = [name for name in BACKENDS if item.get_closest_marker(name)]
        if wanted and keras.backend.backend() not in wanted:
            item.add_marker(pytest.mark.skip(reason=f"for {' or '.join(wanted)}"))


def pytest_collection_finish(session):
    """What is imported by now stays. Otherwise `keras.utils.clear_session`, which collects garbage,
    walks through all of TensorFlow each time (0.3 seconds).
    """
    gc.collect()
    gc.freeze()


if keras.backend.backend() == "tensorflow":
    _fit = keras.Model.fit

    @functools.wraps(_fit)
    def _fit_with_a_built_optimizer(self, *args, **kwargs):
        """`keras.Model.fit`, which traces the first step twice where the optimizer is not built
        before: half of the time of many tests.
        """
        optimizer = getattr(self, "optimizer", None)
        if self.built and optimizer is not None and not optimizer.built and self.trainable_weights:
            strategy = self.distribute_strategy
            with contextlib.nullcontext() if strategy is None else strategy.scope():
                optimizer.build(self.trainable_weights)
        return _fit(self, *args, **kwargs)

    keras.Model.fit = _fit_with_a_built_optimizer

    # `keras.utils.set_random_seed` makes TensorFlow throw away the kernels of all eager operations,
    # so that random ones start again. Keras and we draw numbers by stateless operations; making the
    # kernels of the others anew took half of the time of a small training.
    from tensorflow.python import pywrap_tfe

    assert hasattr(pywrap_tfe, "TFE_ContextClearCaches"), "TensorFlow has another name for it"
    pywrap_tfe.TFE_ContextClearCaches = lambda context: None


def _eager_functions():
    """Runs what TensorFlow compiles step by step instead: for tests of trainings of a few steps, in
    which tracing takes most of the time, and which are not about compilation.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(before)


eager_functions = pytest.fixture(_eager_functions)
eager_module = pytest.fixture(_eager_functions, scope="module")


@pytest.fixture(autouse=True)
def fresh_state():
    """Every test starts from the same seed and leaves no global policy behind."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
