"""What the `data` sections of tables share: how the table is split and encoded."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.section import BetweenZeroAndOne, Fraction, Section, Seed


class TableSection(Section):
    """What all tables have, those of plug-ins too: how they are split and encoded."""

    validation_fraction: Fraction = Field(
        0.1, description="Part of the training rows held out for validation. 0: none."
    )
    split_seed: Seed = Field(0, description="Seed of the splits, apart from training.seed.")
    bins: Literal["tree", "quantile", "none"] = Field(
        "tree",
        description="How numeric columns are cut into bins: where a decision tree of the target "
        "cuts, at quantiles, or not at all.",
    )
    max_bins: Annotated[int, Field(ge=2, le=1024)] = Field(
        32, description="Most bins of a numeric column."
    )

    def unused(self):
        return {"max_bins": "bins is none"} if self.bins == "none" else {}


class OfficialSplit(TableSection):
    """A table whose test rows are those of its publisher."""

    def unused(self):
        unused = super().unused()
        if self.validation_fraction == 0:
            unused["split_seed"] = "validation_fraction is 0 and the test split is the official one"
        return unused


class TestSplit(TableSection):
    """A table from which test rows are drawn."""

    test_fraction: BetweenZeroAndOne = Field(0.2, description="Part of all rows kept for the test.")
