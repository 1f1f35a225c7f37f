"""`model.numeric_embedding`: how each numeric column becomes a vector."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import BrokenRules, Count, Positive, Section
from sparse_keras.schema.sections.experts import Activation
from sparse_keras.schema.sections.tabular.table import TableSection

if TYPE_CHECKING:
    from sparse_keras.schema.config import Config


class PiecewiseLinear(Section):
    """A piecewise linear function of the value, with corners at the edges of the column's bins."""

    type: Literal["piecewise_linear"] = Field(
        "piecewise_linear", description="A linear map of each column's bins."
    )
    dim: Count = Field(8, description="Width of a column's embedding.")
    linear: bool = Field(
        True,
        description="Whether the embedding also has a term linear in the value; the "
        "weights of the bins then start at 0 (TabM).",
    )
    activation: Activation = Field("linear", description="Activation of the embeddings.")

    def rules_with(self, config: "Config") -> BrokenRules:
        if isinstance(config.data, TableSection) and config.data.bins == "none":
            yield (
                "model.numeric_embedding",
                "piecewise_linear needs bins, but data.bins is none",
            )


class Periodic(Section):
    """Sines and cosines of the value at learned frequencies. Bins remain inputs beside them."""

    type: Literal["periodic"] = Field(
        "periodic", description="Sines and cosines at learned frequencies."
    )
    dim: Count = Field(16, description="Width of a column's embedding.")
    frequencies: Count = Field(16, description="Number of frequencies per column.")
    sigma: Positive = Field(
        0.1, description="Standard deviation of the initial frequencies. Worth tuning."
    )
    shared: bool = Field(False, description="Whether all columns share one matrix.")
    activation: Activation = Field("relu", description="Activation of the embeddings.")


NUMERIC_EMBEDDINGS = Choice("numeric embedding", PiecewiseLinear, Periodic)
NumericEmbeddingConfig = Annotated[Section, NUMERIC_EMBEDDINGS]
