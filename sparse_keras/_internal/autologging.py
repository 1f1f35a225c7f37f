"""Keeps helpers of scikit-learn out of experiment trackers.

`mlflow.sklearn.autolog()` records each estimator of scikit-learn that is fitted. The trees by which
numeric columns are cut into bins, and other estimators that only prepare the data, would each be
recorded as a model of the user's.
"""

import contextlib
import sys
import threading

_lock = threading.Lock()
_active = 0
_exit = contextlib.ExitStack()


@contextlib.contextmanager
def without_autologging():
    """Stops MLflow's autologging for a while, if it is there. May be nested, and in threads."""
    global _active
    # What is not imported has not patched scikit-learn.
    mlflow = sys.modules.get("mlflow.utils.autologging_utils")
    with _lock:
        _active += 1
        # MLflow's own way to do this cannot be nested: leaving it always enables autologging.
        if (
            _active == 1
            and mlflow is not None
            and not getattr(mlflow, "_AUTOLOGGING_GLOBALLY_DISABLED", False)
        ):
            _exit.enter_context(mlflow.disable_autologging())
    try:
        yield
    finally:
        with _lock:
            _active -= 1
            if not _active:
                _exit.close()
