"""Keeps TensorFlow's start-up lines off the screen."""

import contextlib
import os
import sys
import tempfile


def start_backend():
    """Starts Keras and its backend, without what that writes."""
    with quiet_start():
        import keras

        keras.ops.zeros(())  # The backend's own start comes with its first tensor.


@contextlib.contextmanager
def quiet_start():
    """Holds back what is written to standard error inside, and shows it only after a failure.

    TensorFlow's C++ code writes there, before any of its settings apply, what says nothing about
    the run, nor about a mistake of the user's.
    """
    # A user's own setting stays.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except (ValueError, KeyboardInterrupt):
            raise
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
