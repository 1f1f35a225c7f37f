"""KerasHub's mixture-of-experts models, made sparse in place.

    sparsify.py    sparsify and densify: find the blocks of a model and change how they compute
    families.py    KerasHub's families: which class is whose, and what fits
    blocks.py      how the blocks of each family route and compute, from their own variables
    router.py      their routing, as callbacks, inspection and recordings see it
    additions.py   counts of the routing, and a selection bias: what KerasHub's blocks do not have
    sequences.py   which tokens are padding, which a block of KerasHub does not know

KerasHub is an extra, and is imported by whoever has a model of it: nothing here imports it. Nor are
checkpoints read here: KerasHub's presets are KerasHub's.
"""

from sparse_keras.hub.blocks import SparseBlock
from sparse_keras.hub.sparsify import densify, is_sparse, sparsify

__all__ = ["SparseBlock", "densify", "is_sparse", "sparsify"]
