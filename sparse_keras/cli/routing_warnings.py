"""Warnings about routings on the command line: sentences, not Python's lines of code."""

import contextlib
import warnings


@contextlib.contextmanager
def routing_warnings(tell):
    """Hands each `RoutingWarning` to `tell`, as its sentence; other warnings go their way."""
    from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning  # Imports NumPy.

    with warnings.catch_warnings():
        warnings.simplefilter("always", RoutingWarning)
        show = warnings.showwarning

        def showwarning(message, category, *rest, **kwargs):
            if issubclass(category, RoutingWarning):
                tell(str(message))
            else:
                show(message, category, *rest, **kwargs)

        warnings.showwarning = showwarning
        yield
