"""Keras callbacks for models with experts."""

from sparse_keras.callbacks.expert_load import LOGS, ExpertLoad
from sparse_keras.callbacks.samples import Samples
from sparse_keras.callbacks.task_weight_logs import TaskWeightLogs
from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning

__all__ = ["LOGS", "ExpertLoad", "RoutingWarning", "Samples", "TaskWeightLogs"]
