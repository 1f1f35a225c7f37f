"""Optimizers for models whose experts hold many weights."""

from sparse_keras.optimizers.fused_optimizer import FusedOptimizer

__all__ = ["FusedOptimizer"]
