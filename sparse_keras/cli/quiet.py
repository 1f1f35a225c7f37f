"""Hides TensorFlow's start-up messages."""

import contextlib
import os
import sys
import tempfile

from sparse_keras._internal import interrupts


def start_backend():
    """Starts Keras and its backend, without their messages."""
    with quiet_start():
        import keras

        keras.ops.zeros(())  # A backend starts when it makes its first tensor.


@contextlib.contextmanager
def quiet_start():
    """Hides what is written to standard error inside the context, unless it fails.

    TensorFlow's C++ code writes start-up messages there before any of its settings apply.
    """
    # Does not override the user's setting.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except (ValueError, KeyboardInterrupt):
            raise
        except BaseException:
            os.dup2(stderr, 2)
            hidden.seek(0)
            if not interrupts.pressed():
                sys.stderr.write(hidden.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            interrupts.check()  # An import may have lost it, or made another error of it.
