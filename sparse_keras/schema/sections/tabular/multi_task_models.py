"""`model`: the models of tables with several targets."""

from typing import Annotated, Any, Literal

from pydantic import Field

from sparse_keras._internal.builders import builder_of
from sparse_keras.schema.core.section import BrokenRules, Count, Fraction, Section, Widths
from sparse_keras.schema.sections.experts import Activation, ExpertsConfig
from sparse_keras.schema.sections.mixtures import conflicts_with_experts
from sparse_keras.schema.sections.routers import DenseRouter, RouterConfig
from sparse_keras.schema.sections.tabular.models import TabularModelSection


class Tower(Section):
    """The dense layers of a single task, between what the tasks share and the head of the task."""

    hidden_dims: Widths = Field((32,), description="Width of each layer; may be empty.")
    activation: Activation = Field("relu", description="Activation of each layer.")
    dropout: Fraction = Field(
        0.0, description="Fraction of each layer's output dropped in training."
    )

    def unused(self) -> dict[str, str]:
        if self.hidden_dims:
            return {}
        return {key: "hidden_dims is empty" for key in ("activation", "dropout")}


class MultiTaskModelSection(TabularModelSection):
    """A model with several targets: what the tasks share, then a tower and a head for each task."""

    SEVERAL_TASKS = True
    DENSE_TWIN_LABEL = "shared bottom"

    stem: Count | None = Field(
        None,
        description="Width of a first dense layer, which all tasks share. Null: no such layer.",
    )
    dropout: Fraction = Field(
        0.0, description="Fraction of the input of each tower dropped in training."
    )
    tower: Tower = Field(
        default_factory=Tower, description="The dense layers of each task before its head."
    )

    def build(self, inputs: Any, task: Any) -> Any:
        self.check_inputs(inputs)
        tasks = {single.name: single for single in task.single_tasks()}
        return builder_of("model", self.type)(inputs=inputs, tasks=tasks, **self.kwargs())

    def _shared_bottom(self, experts, width, levels=1):
        """The values of a shared bottom with as many layers as a row passes through in experts."""
        layers = levels * (1 if hasattr(experts, "units") else 2)  # One matrix, or several.
        twin = {
            "type": "shared_bottom",
            **self.values_for(SharedBottom),
            "hidden_dims": (width,) * layers,
        }
        if hasattr(experts, "activation"):  # A plug-in's experts may have none.
            twin["activation"] = experts.activation
        return twin


class SharedBottom(MultiTaskModelSection):
    """One dense network that all tasks share: the dense baseline of multi-task models."""

    HAS_EXPERTS = False

    type: Literal["shared_bottom"] = Field(
        "shared_bottom", description="One dense network for all tasks."
    )
    hidden_dims: Annotated[Widths, Field(min_length=1)] = Field(
        description="Width of each dense layer that all tasks share."
    )
    activation: Activation = Field("relu", description="Activation of each of these layers.")


class _OneBank(MultiTaskModelSection):
    experts: ExpertsConfig = Field(
        description="What each expert computes, and the number of experts."
    )

    def rules(self) -> BrokenRules:
        yield from conflicts_with_experts(self.router, self.experts)

    def dense_twin(self, width):
        return self._shared_bottom(self.experts, width)


class OMoE(_OneBank):
    """Experts behind one gate that all tasks share: the baseline of MMoE."""

    type: Literal["omoe"] = Field("omoe", description="Experts behind one gate for all tasks.")
    router: RouterConfig = Field(
        default_factory=DenseRouter, description="The gate: which experts each row goes to."
    )


class MMoE(_OneBank):
    """Experts that all tasks share, and a gate for each task."""

    type: Literal["mmoe"] = Field("mmoe", description="Shared experts, a gate for each task.")
    router: RouterConfig = Field(
        default_factory=DenseRouter,
        description="The gate of each task: which experts it mixes for each row.",
    )


class _TwoBanks(MultiTaskModelSection):
    shared_experts: ExpertsConfig = Field(description="The experts that all tasks use.")
    task_experts: ExpertsConfig = Field(
        description="The experts that only one task uses, for each task."
    )

    def rules(self) -> BrokenRules:
        yield from conflicts_with_experts(self.router, self.shared_experts, self.task_experts)
        widths = [getattr(bank, "units", None) for bank in (self.shared_experts, self.task_experts)]
        if None not in widths and widths[0] != widths[1]:
            yield (
                "task_experts.units",
                f"{widths[1]} differs from model.shared_experts.units, which is {widths[0]}: a "
                "gate adds the outputs of both",
            )

    def dense_twin(self, width):
        return self._shared_bottom(self.shared_experts, width, getattr(self, "levels", 1))


class CGC(_TwoBanks):
    """Experts that all tasks share, experts of a single task, and a gate for each task."""

    type: Literal["cgc"] = Field("cgc", description="Shared and task-specific experts.")
    router: RouterConfig = Field(
        default_factory=DenseRouter,
        description="The gate of each task: which of the shared experts and of its own "
        "experts it mixes for each row.",
    )


class PLE(_TwoBanks):
    """Levels of shared and task-specific experts, which gates mix for each task."""

    type: Literal["ple"] = Field("ple", description="Levels of shared and task-specific experts.")
    levels: Count = Field(2, description="Number of levels. With 1, the model is cgc.")
    router: RouterConfig = Field(
        default_factory=DenseRouter,
        description="The gate of each task: which of the shared experts and of its own "
        "experts it mixes for each row.",
    )
