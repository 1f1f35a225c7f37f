"""FromCheckpoint: a model that remembers what the files that it was loaded from say of it."""

import json
from typing import Any


class FromCheckpoint:
    """Mixin of models with an attribute `checkpoint`, a dict of JSON values or `None`."""

    _checkpoint = "null"

    @property
    def checkpoint(self) -> dict[str, Any] | None:
        return json.loads(self._checkpoint)

    @checkpoint.setter
    def checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        self._checkpoint = json.dumps(checkpoint)  # Keras would wrap a dict, to track layers in it.
