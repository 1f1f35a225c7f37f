"""`training`: how long, how many rows at a time, in which precision, from which seed."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.section import (
    BetweenZeroAndOne,
    Count,
    ExactlyFalse,
    ExactlyTrue,
    Section,
    Seed,
    Text,
)
from sparse_keras.schema.sections.losses import LossesConfig
from sparse_keras.schema.sections.task_weights import TaskWeightsConfig


class EarlyStopping(Section):
    """Stop when the monitored value no longer improves."""

    monitor: Text = Field("val_loss", description="The logged value to watch.")
    patience: Count = Field(3, description="Epochs without improvement before stopping.")
    restore_best: bool = Field(True, description="Whether to go back to the best epoch's weights.")

    def rules_with(self, config):
        reason = config.data.why_no_validation if config.data is not None else None
        if reason is not None and self.monitor.startswith("val_"):
            yield (
                "training.early_stopping.monitor",
                f"{self.monitor!r} needs validation rows, but {reason}",
            )


class ExpertLoad(Section):
    """What training tells of its experts: `callbacks.ExpertLoad`."""

    per_layer: bool = Field(
        False, description="Whether to log each layer's balance, dead experts and losses too."
    )
    per_expert: bool = Field(False, description="Whether to log each expert's share too.")
    warn: bool = Field(
        True, description="Whether to warn of collapse, dead experts, dropped rows, closed gates."
    )
    collapse_above: BetweenZeroAndOne | None = Field(
        0.7,
        description="Where collapse begins: 0 is an even load, 1 that k experts take everything. "
        "Null: never.",
    )
    dropped_above: BetweenZeroAndOne | None = Field(
        0.1,
        description="The share of dropped assignments above which to warn. Null: never.",
    )

    def unused(self):
        if self.warn:
            return {}
        return {key: "warn is false" for key in ("collapse_above", "dropped_above")}

    def rules_with(self, config):
        if not config.model.HAS_EXPERTS:
            yield "training.expert_load", f"a model of type {config.model.type} has no experts"


class TrainingConfig(Section):
    """How the model is trained."""

    epochs: Count = Field(10, description="Most passes over the training rows.")
    batch_size: Count = Field(256, description="Rows in a batch.")
    seed: Seed = Field(0, description="Seed of weights, shuffling and dropout.")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="Keras dtype policy."
    )
    jit_compile: Annotated[Literal["auto", True, False], ExactlyTrue, ExactlyFalse] = Field(
        "auto", description="Whether XLA compiles the training step; auto leaves it to Keras."
    )
    loss: LossesConfig | None = Field(
        None,
        description="What is minimised; of several targets a mapping from target to its loss. "
        "Null, and for targets that are not named: cross-entropy for classes and labels, the mean "
        "squared error for numbers, in standard deviations of the target.",
    )
    task_weights: TaskWeightsConfig | None = Field(
        None, description="How much each of several targets counts. Null: all alike."
    )
    early_stopping: EarlyStopping | None = Field(
        None, description="When to stop early. Null: never."
    )
    expert_load: ExpertLoad | None = Field(
        None,
        description="What training tells of its experts. Null: by the defaults of its keys, if the "
        "model has experts.",
    )
