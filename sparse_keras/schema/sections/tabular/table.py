"""`data`: what all tables share, how they are split and encoded."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from sparse_keras._internal.builders import resolve
from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.schema.core.data_section import DataSection
from sparse_keras.schema.core.section import BetweenZeroAndOne, BrokenRules, Fraction, Seed, Text
from sparse_keras.schema.sections.tabular.feature_selection import SelectionConfig


class HeldOutRows(DataSection):
    """A table whose validation rows are drawn from its training rows."""

    validation_fraction: Fraction = Field(
        0.1, description="Fraction of the training rows held out for validation. 0: none."
    )
    split_seed: Seed = Field(
        0, description="Seed of the random splits, independent of training.seed."
    )

    def load(self, batch_size: int, seed: int) -> Any:
        """Loads a table: the builder of its `type` reads rows, `data.load_table` does the rest."""
        load_table = resolve("sparse_keras.data:load_table")
        return load_table(self, batch_size=batch_size, seed=seed)

    @property
    def why_no_validation(self) -> str | None:
        return "data.validation_fraction is 0" if self.validation_fraction == 0 else None


IGNORE_CASE = Field(
    None,
    description="Whether classes of the target that differ in case only, such as Yes and yes, are "
    "one class. Null: such a target raises an error.",
)


class TableSection(HeldOutRows):
    """A table: how it is split and encoded. Tables of plug-ins derive from it too."""

    bins: Literal["tree", "quantile", "none"] = Field(
        "tree",
        description="How numeric columns are cut into bins: at the splits of a decision "
        "tree of the target (tree), at quantiles, or not at all (none).",
    )
    max_bins: Annotated[int, Field(ge=2, le=1024)] = Field(
        32, description="Maximum number of bins of a numeric column."
    )
    features: SelectionConfig | None = Field(
        None,
        description="Feature selection: which columns to use, chosen on the training rows. "
        "Null: all columns.",
    )

    def unused(self) -> dict[str, str]:
        return {"max_bins": "bins is none"} if self.bins == "none" else {}


class OfficialSplit(TableSection):
    """A table whose publisher has set test rows apart."""

    def unused(self) -> dict[str, str]:
        unused = super().unused()
        if self.validation_fraction == 0 and self.features is None:
            unused["split_seed"] = "validation_fraction is 0 and the test split is the official one"
        return unused


class TestSplit(TableSection):
    """A table from which test rows are drawn."""

    test_fraction: BetweenZeroAndOne = Field(
        0.2, description="Fraction of all rows held out for testing."
    )


def _as_tuple(value):
    return tuple(value) if isinstance(value, list) else value


Tasks = Annotated[tuple[Text, ...] | None, BeforeValidator(_as_tuple)]


class SeveralTargets(TableSection):
    """A table with several targets, of which a config chooses one or more.

    With one target the table is like any other; several targets need a multi-task model. A subclass
    redefines `tasks` with a description that explains its targets, and its reader gets the chosen
    target from `data.tabular.multi_target.target_of`.

    Attributes:
        TARGETS: The names of the targets.
        DEFAULT_TASKS: The targets that a config without `tasks` learns. Empty: the first of
            `TARGETS`.
    """

    TARGETS: ClassVar[tuple[str, ...]] = ()
    DEFAULT_TASKS: ClassVar[tuple[str, ...]] = ()  # Empty: the first target.

    tasks: Tasks = Field(
        None, description="The targets to learn. Null: the default of the data set."
    )

    @property
    def chosen_tasks(self) -> tuple[str, ...]:
        """The targets to learn."""
        return self.tasks or self.DEFAULT_TASKS or self.TARGETS[:1]

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.tasks == ():
            yield "tasks", f"expected at least one of {', '.join(self.TARGETS)}"
        for task in dict.fromkeys(self.tasks or ()):
            if task not in self.TARGETS:
                hint = did_you_mean(task, self.TARGETS, in_brackets=True)
                hint = hint or f"; its targets are {', '.join(self.TARGETS)}"
                yield "tasks", f"the data set has no target {task!r}{hint}"
            elif self.tasks.count(task) > 1:
                yield "tasks", f"{task!r} is listed twice"
