"""`training`: its length, batch size, precision, seed, losses, threshold and logs."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sparse_keras._internal.roles import LORA_ROLES
from sparse_keras.schema.core.section import (
    BetweenZeroAndOne,
    BrokenRules,
    Count,
    ExactlyFalse,
    ExactlyTrue,
    Section,
    Seed,
    Text,
)
from sparse_keras.schema.sections.imbalance import (
    ClassWeightConfig,
    ThresholdConfig,
    is_tuned,
)
from sparse_keras.schema.sections.losses import LossesConfig
from sparse_keras.schema.sections.samples import Samples
from sparse_keras.schema.sections.task_weights import TaskWeightsConfig
from sparse_keras.schema.sections.tuning import Lora, Roles

if TYPE_CHECKING:
    from sparse_keras.schema.config import Config


class EarlyStopping(Section):
    """Stops training when the monitored value no longer improves."""

    monitor: Text = Field("val_loss", description="The logged value to monitor.")
    patience: Count = Field(
        3, description="Number of epochs without improvement after which to stop."
    )
    restore_best: bool = Field(
        True, description="Whether to restore the weights of the best epoch."
    )

    def rules_with(self, config: "Config") -> BrokenRules:
        reason = config.data.why_no_validation if config.data is not None else None
        if reason is not None and self.monitor.startswith("val_"):
            yield (
                "training.early_stopping.monitor",
                f"{self.monitor!r} needs validation rows, but {reason}",
            )


class ExpertLoad(Section):
    """What training reports about its experts: the arguments of `callbacks.ExpertLoad`."""

    per_layer: bool = Field(
        False, description="Whether to also log the balance, dead experts and losses of each layer."
    )
    per_expert: bool = Field(False, description="Whether to also log the load of each expert.")
    warn: bool = Field(
        True,
        description="Whether to warn about collapse, dead experts, dropped rows and closed gates.",
    )
    collapse_above: BetweenZeroAndOne | None = Field(
        0.7,
        description="Concentration of the load from which routing counts as collapsed: 0 "
        "is an even load, 1 means that k experts take every row. Null: never.",
    )
    dropped_above: BetweenZeroAndOne | None = Field(
        0.1,
        description="Fraction of dropped assignments above which to warn. Null: never.",
    )

    def unused(self) -> dict[str, str]:
        if self.warn:
            return {}
        return {key: "warn is false" for key in ("collapse_above", "dropped_above")}

    def rules_with(self, config: "Config") -> BrokenRules:
        if not config.model.HAS_EXPERTS:
            yield "training.expert_load", f"a model of type {config.model.type} has no experts"


class CheckpointEvery(Section):
    """How often training writes a checkpoint: every so many epochs, or every so many steps."""

    epochs: Count | None = Field(None, description="Epochs between checkpoints.")
    steps: Count | None = Field(
        None,
        description="Optimizer steps between checkpoints, which may fall within an epoch.",
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if (self.epochs is None) == (self.steps is None):
            yield "steps", "give exactly one of epochs and steps"


class TrainingConfig(Section):
    """How to train the model."""

    ADDED = (
        "steps",
        "steps_per_epoch",
        "checkpoint_every",
        "class_weight",
        "threshold",
        "samples",
        "freeze",
        "train_only",
        "lora",
    )

    epochs: Count | None = Field(
        10,
        description="Maximum number of epochs: passes over the training rows, or as "
        "`steps_per_epoch` says. Null: as many as `steps` need.",
    )
    steps: Count | None = Field(
        None,
        description="Maximum number of optimizer steps, instead of epochs. The last epoch may be "
        "partial; like the others it ends with validation. Null: epochs count.",
    )
    steps_per_epoch: Count | None = Field(
        None,
        description="Number of steps after which an epoch ends, with validation and a row of "
        "logs; the next one goes on with the batches that follow. For a pass over the training "
        "rows that takes long. Null: an epoch is a pass.",
    )
    batch_size: Count = Field(256, description="Number of rows in a batch.")
    seed: Seed = Field(0, description="Seed of initial weights, shuffling and dropout.")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="Keras dtype policy."
    )
    jit_compile: Annotated[Literal["auto", True, False], ExactlyTrue, ExactlyFalse] = Field(
        "auto", description="Whether to compile the training step with XLA. auto: Keras decides."
    )
    loss: LossesConfig | None = Field(
        None,
        description="The loss to minimise; for several targets, a mapping from target to "
        "loss. Null, and for targets that are not listed: cross-entropy for classes and "
        "labels, and the mean squared error, in standard deviations of the target, for numbers.",
    )
    task_weights: TaskWeightsConfig | None = Field(
        None, description="How much each of several targets counts. Null: all the same."
    )
    class_weight: ClassWeightConfig | None = Field(
        None,
        description="How much the rows of each class count in the loss of training: balanced, "
        "inversely to how frequent the class is in the training rows, or a mapping from each class "
        "to its weight; for several targets a mapping from target to these. Multiplies the weights "
        "of data.weight. Losses and metrics of validation and test rows do not depend on it. Null: "
        "all classes count the same.",
    )
    threshold: ThresholdConfig = Field(
        0.5,
        description="From which probability on a row is predicted to be of the positive class, or "
        "to have a label: a number, or what it is tuned for on the validation rows after training, "
        "f1 or balanced_accuracy; for several targets also a mapping from target to these. It is "
        "saved with the model.",
    )
    early_stopping: EarlyStopping | None = Field(
        None, description="When to stop early. Null: never."
    )
    checkpoint_every: CheckpointEvery | None = Field(
        None,
        description="How often to write a checkpoint, from which a training that was killed "
        "resumes. Null: after each epoch.",
    )
    expert_load: ExpertLoad | None = Field(
        None,
        description="What training reports about its experts. Null: the defaults of its "
        "keys, if the model has experts.",
    )
    samples: Samples | None = Field(
        None,
        description="Texts that a language model writes at the end of each epoch. Null: none.",
    )

    freeze: Roles | None = Field(
        None,
        description="Roles of layers that do not train. Null: none. Layers have the role experts "
        "(with shared experts), router, attention, feed_forward, embeddings, normalization, head "
        "or other.",
    )
    train_only: Roles | None = Field(
        None,
        description="Roles of the only layers that train; with lora, those that train in full "
        "beside it. Null: all, or with lora none.",
    )
    lora: Lora | None = Field(
        None,
        description="Low-rank updates (LoRA), which train while the model's own weights are "
        "frozen. Null: none.",
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.epochs is None and self.steps is None:
            yield "epochs", "null, and so is steps: give one of them"
        if self.freeze is not None and self.train_only is not None:
            yield "freeze", "given, and so is train_only: give one of them"
        if self.lora is not None:
            if self.freeze is not None:
                yield (
                    "freeze",
                    "lora freezes all weights of the model; leave freeze out, and name in "
                    "train_only what is to train beside it",
                )
            both = set(self.train_only or ()) & set(self.lora.roles or LORA_ROLES)
            if both:
                yield (
                    "train_only",
                    f"{', '.join(sorted(both))} would train in full, and lora updates it; name it "
                    "in one of train_only and lora.roles",
                )

    def rules_with(self, config: "Config") -> BrokenRules:
        reason = config.data.why_no_validation if config.data is not None else None
        if reason is not None and is_tuned(self.threshold):
            yield (
                "training.threshold",
                f"is tuned on validation rows, but {reason}; give a number, or hold rows out",
            )

    def unused(self) -> dict[str, str]:
        if self.steps is None or self.epochs is None:
            return super().unused()
        reason = f"training.steps is {self.steps}. Leave epochs out, or set it to null"
        return super().unused() | {"epochs": reason}

    def steps_in_epoch(self, batches: int) -> int:
        """Number of steps in an epoch of training on so many batches."""
        return self.steps_per_epoch or batches

    def total_steps(self, batches: int) -> int:
        """Maximum number of optimizer steps of a training on so many batches."""
        return self.epochs * self.steps_in_epoch(batches) if self.steps is None else self.steps

    def total_epochs(self, batches: int) -> int:
        """Maximum number of epochs of a training on so many batches. With `steps`, the last one may
        be partial."""
        return self.epochs if self.steps is None else -(-self.steps // self.steps_in_epoch(batches))
