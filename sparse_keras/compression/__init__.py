"""Mixtures of experts made smaller: fewer experts, or a dense layer in their place.

prune.py     experts that are used little are dropped
merge.py     experts with similar router logits become one
student.py   a dense model that starts from the experts, and its distillation
usage.py     how the experts of a model are used: counts, weights, and similarity of logits
shrink.py    mixtures with fewer experts, and the weights that they take over
align.py     hidden units of an expert in the order of another's
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
