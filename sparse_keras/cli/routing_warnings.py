"""Shows routing warnings on the command line as plain messages, without lines of code."""

import contextlib
import warnings


@contextlib.contextmanager
def routing_warnings(show):
    """Calls `show` with the message of each `RoutingWarning`. Other warnings are unchanged."""
    from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning  # Imports NumPy.

    with warnings.catch_warnings():
        warnings.simplefilter("always", RoutingWarning)
        default = warnings.showwarning

        def showwarning(message, category, *rest, **kwargs):
            if issubclass(category, RoutingWarning):
                show(str(message))
            else:
                default(message, category, *rest, **kwargs)

        warnings.showwarning = showwarning
        yield
