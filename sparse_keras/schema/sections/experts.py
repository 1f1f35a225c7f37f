"""`model.experts`: what each expert computes, and the number of experts."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import BrokenRules, Count, Fraction, Positive, Section

# Only elementwise functions: a softmax would mix the units of an expert.
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
    """A bank of experts. Banks of plug-ins derive from it too."""

    num_experts: Count = Field(description="Number of experts.")


class _Experts(ExpertsSection):
    kernel_initializer: Initializer = Field(
        "glorot_uniform",
        description="Initializer of the matrices. Each expert is drawn separately, with "
        "its own fan.",
    )


class DenseExperts(_Experts):
    """One matrix and an activation for each expert."""

    type: Literal["dense"] = Field("dense", description="One matrix and an activation per expert.")
    units: Count = Field(description="Width of an expert's output.")
    activation: Activation = Field("relu", description="Activation of the output.")
    use_bias: bool = Field(True, description="Whether each expert adds a bias.")


class MLPExperts(_Experts):
    """Two matrices with an activation between them, as in a Transformer's feed-forward block."""

    type: Literal["mlp"] = Field(
        "mlp", description="Two matrices per expert, with an activation between them."
    )
    hidden_dim: Count = Field(description="Width between the two matrices of an expert.")
    activation: Activation = Field("relu", description="Activation between the two matrices.")
    use_bias: bool = Field(True, description="Whether both matrices have a bias.")
    dropout: Fraction = Field(0.0, description="Fraction of the hidden units dropped in training.")


class GLUExperts(_Experts):
    """Gated linear units: an activated projection times a second one, then a projection back."""

    type: Literal["glu"] = Field(
        "glu", description="Gated linear units: three matrices per expert."
    )
    hidden_dim: Count = Field(description="Width of both projections of an expert.")
    activation: Activation = Field(
        "silu", description="Activation of the gate, the first projection."
    )
    use_bias: bool = Field(False, description="Whether the matrices have biases.")
    dropout: Fraction = Field(0.0, description="Fraction of the hidden units dropped in training.")
    limit: Positive | None = Field(
        None,
        description="Clips the gate to at most this before its activation, and the second "
        "projection to [-limit, limit]. gpt-oss: 7. Null: no clipping.",
    )
    alpha: Positive = Field(
        1.0,
        description="Slope of silu in the gate, g * sigmoid(alpha * g). gpt-oss: 1.702.",
    )
    up_offset: float = Field(
        0.0,
        description="Added to the second projection, before the gate multiplies it. gpt-oss: 1.",
    )

    def rules(self) -> BrokenRules:
        if self.alpha != 1.0 and self.activation != "silu":
            yield "alpha", f"is the slope of silu, but activation is {self.activation}"


class TiedExperts(_Experts):
    """All experts share one matrix; each scales its input and output and adds its own bias."""

    type: Literal["tied"] = Field(
        "tied", description="One shared matrix, which each expert scales."
    )
    units: Count = Field(description="Width of an expert's output.")
    activation: Activation = Field("relu", description="Activation of the output.")
    use_bias: bool = Field(True, description="Whether each expert adds a bias.")


class LowRankExperts(_Experts):
    """A matrix of low rank per expert, with a nonlinear map between its two factors (DCN-V2)."""

    type: Literal["low_rank"] = Field("low_rank", description="A matrix of low rank per expert.")
    rank: Count = Field(description="Rank of the matrix: the width between its two factors.")
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
ExpertsConfig = Annotated[ExpertsSection, EXPERTS]
# Banks whose output has the width of their input.
CrossExpertsConfig = Annotated[
    ExpertsSection, Choice("experts of a cross layer", LowRankExperts, MLPExperts, GLUExperts)
]
