"""`model`: the architecture, by its `type`. Keys are the arguments of a function in `models`."""

from typing import Annotated

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.model_section import ModelSection
from sparse_keras.schema.sections.tabular.models import DCNMix, DenseMLP, SparseMLP
from sparse_keras.schema.sections.tabular.multi_task_models import (
    CGC,
    PLE,
    MMoE,
    OMoE,
    SharedBottom,
)
from sparse_keras.schema.sections.text.models import CausalLM, TextClassifier

MODELS = Choice(
    "model",
    SparseMLP,
    DenseMLP,
    DCNMix,
    SharedBottom,
    OMoE,
    MMoE,
    CGC,
    PLE,
    CausalLM,
    TextClassifier,
    base=ModelSection,
)
ModelConfig = Annotated[ModelSection, MODELS]
