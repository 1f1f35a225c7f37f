"""ReplicaLosses: the losses of a layer, a list of its own for each replica of a strategy.

`tf.distribute.MirroredStrategy` calls a model in one thread per replica. The threads take turns:
one runs until it writes a variable that replicas share, such as the moving mean of a
BatchNormalization or the selection bias of a router; then the next one does. Keras keeps what
`add_loss` gets in one list per layer, so that the replicas would clear and count each other's
losses: with n replicas, the reported loss would hold up to (n + 1) / 2 times the auxiliary loss.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import Any


class ReplicaLosses:
    """The list behind `add_loss`, one for each thread; see `keras_private.set_loss_list`.

    It is not a `list`, which Keras would copy into one of its own.
    """

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def _losses(self) -> list[Any]:
        if not hasattr(self._of_thread, "losses"):
            self._of_thread.losses = []
        return self._of_thread.losses

    def extend(self, losses: Iterable[Any]) -> None:
        self._losses().extend(losses)

    def clear(self) -> None:
        self._losses().clear()

    def __getitem__(self, place: Any) -> Any:
        return self._losses()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._losses())

    def __len__(self) -> int:
        return len(self._losses())

    def __deepcopy__(self, memo: dict) -> "ReplicaLosses":
        return ReplicaLosses()
