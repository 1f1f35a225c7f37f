"""ExclusiveOwner: a layer whose banks, routers and shared experts belong to no other layer.

Keras saves a model in which two layers have one bank, but cannot load it. Yet a bank may move from
layer to layer: a cell of a notebook that is run again makes a new layer from it while the old one
is still there. So the layer that was made last owns it, and the former owner raises an error when
it is used: in a notebook nobody uses it, in a model with both layers somebody does.
"""

import gc
import weakref
from typing import Any

import keras

# From each owned layer to its owner. Weak on both sides: ownership ends with either.
_OWNERS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class ExclusiveOwner(keras.layers.Layer):
    """Base class of layers that share their sublayers with no other such layer."""

    _owned: tuple[weakref.ref, ...] = ()

    def own(self, *sublayers: keras.layers.Layer | None) -> None:
        """Takes sublayers: the end of `__init__`. A former owner loses them.

        Args:
            *sublayers: Layers; `None` is skipped. What is inside a wrapper, such as a
                `GatedSharedExpert`, is taken with it.
        """
        sublayers = [layer for layer in sublayers if layer is not None]
        sublayers += [layer.layer for layer in sublayers if isinstance(layer, keras.layers.Wrapper)]
        for layer in sublayers:
            _OWNERS[layer] = weakref.ref(self)
        self._owned = tuple(weakref.ref(layer) for layer in sublayers)

    def check_owned(self) -> None:
        """Raises a ValueError if another layer has taken a sublayer."""
        if self._taken() is None:
            return
        gc.collect()  # A layer that nobody uses any more may still be there.
        taken = self._taken()
        if taken is not None:
            sublayer, owner = taken
            raise ValueError(
                f"{sublayer.name!r} is part of {self.name!r}, and of {owner.name!r}, which was "
                "made later: a model with both could be saved, but not loaded. Give each layer its "
                "own. To use one bank several times, see MultiGateMixtureOfExperts and "
                "DepthSharedMixtureOfExperts."
            )

    def _taken(self) -> tuple[keras.layers.Layer, keras.layers.Layer] | None:
        """A sublayer that belongs to another layer, and that layer."""
        for reference in self._owned:
            sublayer = reference()
            owner = _OWNERS[sublayer]() if sublayer in _OWNERS else None
            if owner is not None and owner is not self:
                return sublayer, owner
        return None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.check_owned()
        return super().__call__(*args, **kwargs)

    def save_own_variables(self, store: Any) -> None:
        self.check_owned()
        super().save_own_variables(store)
