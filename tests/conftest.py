"""Settings of the whole test run."""

import contextlib
import functools
import gc
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# One thread for each of pytest's processes, which take all cores: threads of one that wait for each
# other keep the cores busy. A small fit of scikit-learn's boosting took eight times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# oneDNN generates code for each operation of each shape, which pays for large tensors only.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# XLA takes a quarter less time to compile a program that runs once, and computes the same.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras
import pytest

from tests.support.timing import limit, seconds_of_processes

BACKENDS = ("tensorflow", "jax", "torch")
# Core seconds of a test, or of what it sets up, above which the default run shows it.
LONG = 3.0


def pytest_collection_modifyitems(items):
    """A test marked with a backend runs on that backend only."""
    for item in items:
        wanted = [name for name in BACKENDS if item.get_closest_marker(name)]
        if wanted and keras.backend.backend() not in wanted:
            item.add_marker(pytest.mark.skip(reason=f"for {' or '.join(wanted)}"))


# Core seconds after which what the tests have left is put aside.
FREEZE_EVERY = 10.0
_frozen_at = 0.0


def _freeze():
    """Puts aside what is alive: what collects garbage no longer walks through it.

    Keras's `clear_session` and `quantize` collect garbage each time: 0.3 seconds with TensorFlow
    alone, and a second after thousands of tests, which leave functions and layers in caches.
    """
    global _frozen_at
    gc.collect()
    gc.freeze()
    _frozen_at = time.process_time()


def pytest_collection_finish(session):
    _freeze()


def pytest_runtest_logfinish(nodeid):
    if time.process_time() - _frozen_at > FREEZE_EVERY:
        _freeze()


def _core_seconds():
    """Of this process, and of those it started that have ended."""
    return time.process_time() + seconds_of_processes()


_PHASE_START = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds to a report how long the phase took; the next phase begins here."""
    report, now = (yield), _core_seconds()
    report.core_seconds = now - item.stash.get(_PHASE_START, now)
    item.stash[_PHASE_START] = now
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    item.stash[_PHASE_START] = _core_seconds()
    return (yield)


def pytest_terminal_summary(terminalreporter, config):
    """Shows the tests that make the default run long. Nothing fails: machines differ."""
    if config.option.markexpr != "not slow":
        return
    reports = [report for group in terminalreporter.stats.values() for report in group]
    long = [report for report in reports if getattr(report, "core_seconds", 0) > LONG]
    long = [report for report in long if report.core_seconds > limit(LONG)]
    if not long:
        return
    terminalreporter.section("long tests: make them shorter, or mark them as slow")
    for report in sorted(long, key=lambda report: report.core_seconds, reverse=True):
        terminalreporter.line(f"{report.core_seconds:5.1f} s  {report.when:8}  {report.nodeid}")


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
