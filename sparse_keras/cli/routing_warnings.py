"""Shows routing warnings on the command line as plain messages, without lines of code."""

import contextlib
import warnings

from sparse_keras.cli.plain_warnings import handing_on


@contextlib.contextmanager
def routing_warnings(show):
    """Calls `show` with the message of each `RoutingWarning`. Other warnings are unchanged."""
    from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning  # Imports NumPy.

    with handing_on(lambda category, _: issubclass(category, RoutingWarning), show):
        warnings.simplefilter("always", RoutingWarning)
        yield
