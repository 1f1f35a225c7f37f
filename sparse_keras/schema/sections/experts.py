"""`model.experts`: what each expert computes, and how many there are."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import Count, Fraction, Positive, Section

# Only elementwise functions: softmax and the like would mix the units of an expert.
Activation = Literal[
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "squareplus",
    "tanh",
]
# No zeros, ones or constants: experts that start equal would stay equal.
Initializer = Literal[
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
]


class ExpertsSection(Section):
    """What every bank has, those of plug-ins too."""

    num_experts: Count = Field(description="How many experts there are.")


class _Experts(ExpertsSection):
    kernel_initializer: Initializer = Field(
        "glorot_uniform",
        description="Where the matrices start. Each expert is drawn on its own, with its own fan.",
    )


class DenseExperts(_Experts):
    """One matrix and an activation for each expert."""

    type: Literal["dense"] = Field("dense", description="One matrix and an activation each.")
    units: Count = Field(description="Width of an expert's output.")
    activation: Activation = Field("relu", description="Activation of the output.")
    use_bias: bool = Field(True, description="Whether each expert adds a bias.")


class MLPExperts(_Experts):
    """Two matrices with an activation between them, as in a Transformer's feed-forward block."""

    type: Literal["mlp"] = Field("mlp", description="Two matrices, an activation between them.")
    hidden_dim: Count = Field(description="Width between the two matrices of an expert.")
    activation: Activation = Field("relu", description="Activation between the two matrices.")
    use_bias: bool = Field(True, description="Whether both matrices have a bias.")
    dropout: Fraction = Field(0.0, description="Part of the hidden units dropped in training.")


class GLUExperts(_Experts):
    """Gated linear units: an activated matrix times a second one, then a third back."""

    type: Literal["glu"] = Field("glu", description="Gated linear units: three matrices each.")
    hidden_dim: Count = Field(description="Width between the matrices of an expert.")
    activation: Activation = Field("silu", description="Activation of the gating half.")
    use_bias: bool = Field(False, description="Whether the matrices have biases.")
    dropout: Fraction = Field(0.0, description="Part of the hidden units dropped in training.")
    limit: Positive | None = Field(
        None,
        description="The gating half is at most this before its activation, the other half between "
        "this and its negative. gpt-oss: 7. Null: no limit.",
    )
    alpha: Positive = Field(
        1.0,
        description="Slope of silu, g * sigmoid(alpha * g), in the gating half. gpt-oss: 1.702.",
    )
    up_offset: float = Field(
        0.0, description="What is added to the half that is gated. gpt-oss: 1."
    )

    def rules(self):
        if self.alpha != 1.0 and self.activation != "silu":
            yield "alpha", f"is the slope of silu, and activation is {self.activation}"


class TiedExperts(_Experts):
    """All experts share one matrix; each scales its inputs and outputs and adds its own bias."""

    type: Literal["tied"] = Field("tied", description="One shared matrix, scaled by each expert.")
    units: Count = Field(description="Width of an expert's output.")
    activation: Activation = Field("relu", description="Activation of the output.")
    use_bias: bool = Field(True, description="Whether each expert adds a bias.")


class LowRankExperts(_Experts):
    """A matrix of low rank each, with a nonlinear map between its two factors (DCN-V2)."""

    type: Literal["low_rank"] = Field("low_rank", description="A matrix of low rank each.")
    rank: Count = Field(description="Width between the two factors of an expert.")
    activation: Activation = Field("tanh", description="Activation of the two hidden layers.")


EXPERTS = Choice(
    "experts",
    DenseExperts,
    MLPExperts,
    GLUExperts,
    TiedExperts,
    LowRankExperts,
    base=ExpertsSection,
)
ExpertsConfig = Annotated[Section, EXPERTS]
# Those whose output has the width of their input, whatever that is.
CrossExpertsConfig = Annotated[
    Section, Choice("experts of a cross layer", LowRankExperts, MLPExperts, GLUExperts)
]
