"""Mixtures of experts made smaller: fewer experts, or a dense layer in their place.

prune.py     experts that are used little are dropped
merge.py     experts that are chosen alike become one
student.py   a dense model that starts from the experts, and its distillation
usage.py     how the experts of a model are used: counts, weights, and how alike logits are
shrink.py    mixtures with fewer experts, and what of a router fits them
align.py     the order of hidden units, which means nothing, made that of another expert
summary.py   experts, parameters and bytes before and after
"""

from sparse_keras.compression.merge import merge_experts
from sparse_keras.compression.prune import prune_experts
from sparse_keras.compression.student import dense_student, distill
from sparse_keras.compression.summary import MixtureChange, Shrinking

__all__ = [
    "MixtureChange",
    "Shrinking",
    "dense_student",
    "distill",
    "merge_experts",
    "prune_experts",
]
