"""Model builders, one family a file.

A builder takes keyword arguments, those of a config's `model` section among them, and returns an
uncompiled `keras.Model`.
"""

from sparse_keras._internal.builders import Builders
from sparse_keras.models.cost import (
    active_params,
    flops_per_example,
    layer_costs,
    total_params,
)
from sparse_keras.models.multi_task.gate_weights import gate_weights
from sparse_keras.models.multi_task.multi_task_model import MultiTaskModel
from sparse_keras.models.multi_task.task_weights import GradNormWeights, UncertaintyWeights
from sparse_keras.models.preprocessed_model import PreprocessedModel
from sparse_keras.models.preprocessing import preprocessed
from sparse_keras.models.tabular.cgc import cgc
from sparse_keras.models.tabular.dcn_mix import dcn_mix
from sparse_keras.models.tabular.dense_mlp import dense_mlp
from sparse_keras.models.tabular.mmoe import mmoe
from sparse_keras.models.tabular.omoe import omoe
from sparse_keras.models.tabular.ple import ple
from sparse_keras.models.tabular.selected_features import selected_features
from sparse_keras.models.tabular.shared_bottom import shared_bottom
from sparse_keras.models.tabular.sparse_mlp import sparse_mlp
from sparse_keras.models.text.causal_lm import causal_lm
from sparse_keras.models.text.checkpoints import load_pretrained, save_pretrained
from sparse_keras.models.text.encoder_classifier import encoder_classifier
from sparse_keras.models.text.encoder_model import TextEncoder
from sparse_keras.models.text.language_model import CausalLM
from sparse_keras.models.text.text_classifier import text_classifier
from sparse_keras.models.text.text_encoder import text_encoder
from sparse_keras.models.text.text_generator import TextGenerator

# The names that configs use.
MODELS = Builders(
    "model",
    {
        "sparse_mlp": sparse_mlp,
        "dense_mlp": dense_mlp,
        "shared_bottom": shared_bottom,
        "omoe": omoe,
        "mmoe": mmoe,
        "cgc": cgc,
        "ple": ple,
        "dcn_mix": dcn_mix,
        "causal_lm": causal_lm,
        "text_classifier": text_classifier,
    },
)

__all__ = [
    "MODELS",
    "CausalLM",
    "GradNormWeights",
    "MultiTaskModel",
    "PreprocessedModel",
    "TextEncoder",
    "TextGenerator",
    "UncertaintyWeights",
    "active_params",
    "causal_lm",
    "cgc",
    "dcn_mix",
    "dense_mlp",
    "encoder_classifier",
    "flops_per_example",
    "gate_weights",
    "layer_costs",
    "load_pretrained",
    "mmoe",
    "omoe",
    "ple",
    "preprocessed",
    "save_pretrained",
    "selected_features",
    "shared_bottom",
    "sparse_mlp",
    "text_classifier",
    "text_encoder",
    "total_params",
]
