"""`training`: how long, how many rows at a time, in which precision, from which seed."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.losses import LossesConfig
from sparse_keras.schema.section import Count, ExactlyFalse, ExactlyTrue, Section, Seed, Text
from sparse_keras.schema.task_weights import TaskWeightsConfig


class EarlyStopping(Section):
    """Stop when the monitored value no longer improves."""

    monitor: Text = Field("val_loss", description="The logged value to watch.")
    patience: Count = Field(3, description="Epochs without improvement before stopping.")
    restore_best: bool = Field(True, description="Whether to go back to the best epoch's weights.")


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
