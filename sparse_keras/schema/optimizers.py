"""`optimizer`: the Keras optimizer. Defaults are those of Keras."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.section import Fraction, NotNegative, Positive, Section


class _Optimizer(Section):
    learning_rate: Positive = Field(0.001, description="Step size.")
    clipnorm: Positive | None = Field(
        None, description="Longest gradient of each weight; longer ones are cut. Null: no limit."
    )


class Adam(_Optimizer):
    """`keras.optimizers.Adam`."""

    type: Literal["adam"] = Field("adam", description="Adam.")


class AdamW(_Optimizer):
    """`keras.optimizers.AdamW`."""

    type: Literal["adamw"] = Field("adamw", description="Adam with decoupled weight decay.")
    weight_decay: NotNegative = Field(
        0.004, description="Part of each weight taken off per unit of step."
    )


class SGD(_Optimizer):
    """`keras.optimizers.SGD`."""

    type: Literal["sgd"] = Field("sgd", description="Stochastic gradient descent.")
    learning_rate: Positive = Field(0.01, description="Step size.")
    momentum: Fraction = Field(0.0, description="Part of the last step that is kept.")
    nesterov: bool = Field(False, description="Whether the momentum looks ahead (Nesterov).")

    def unused(self):
        return {"nesterov": "momentum is 0"} if self.momentum == 0 else {}


class RMSprop(_Optimizer):
    """`keras.optimizers.RMSprop`."""

    type: Literal["rmsprop"] = Field("rmsprop", description="RMSprop.")


OptimizerConfig = Annotated[Adam | AdamW | SGD | RMSprop, Field(discriminator="type")]
