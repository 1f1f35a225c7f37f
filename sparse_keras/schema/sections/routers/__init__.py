"""`model.router`: which experts each row goes to, and the losses that balance the load."""

from typing import Annotated

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import Section
from sparse_keras.schema.sections.routers.dselect_k import DSelectKRouter
from sparse_keras.schema.sections.routers.even_load import (
    BalancedRouter,
    ExpertChoiceRouter,
    SinkhornRouter,
)
from sparse_keras.schema.sections.routers.gates import (
    DenseRouter,
    ReLURouter,
    ThresholdRouter,
    UniformRouter,
)
from sparse_keras.schema.sections.routers.hierarchical import HierarchicalRouter
from sparse_keras.schema.sections.routers.top_k import CosineRouter, TopKRouter

ROUTERS = Choice(
    "router",
    TopKRouter,
    CosineRouter,
    ThresholdRouter,
    ReLURouter,
    DenseRouter,
    UniformRouter,
    ExpertChoiceRouter,
    DSelectKRouter,
    HierarchicalRouter,
    SinkhornRouter,
    BalancedRouter,
)
RouterConfig = Annotated[Section, ROUTERS]
