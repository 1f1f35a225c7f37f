"""What the `data` sections of tables share: how the table is split and encoded."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from sparse_keras._internal.builders import resolve
from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.schema.core.data_section import DataSection
from sparse_keras.schema.core.section import BetweenZeroAndOne, Fraction, Seed, Text
from sparse_keras.schema.sections.tabular.feature_selection import SelectionConfig


class HeldOutRows(DataSection):
    """What all tables have, those that are mostly zeros too: rows held out for validation."""

    validation_fraction: Fraction = Field(
        0.1, description="Part of the training rows held out for validation. 0: none."
    )
    split_seed: Seed = Field(0, description="Seed of the splits, apart from training.seed.")

    def load(self, batch_size, seed):
        """Loads a table: the builder of its `type` reads raw rows, and the rest is common to all
        tables; see `data.load_table`."""
        load_table = resolve("sparse_keras.data:load_table")
        return load_table(self, batch_size=batch_size, seed=seed)

    @property
    def why_no_validation(self) -> str | None:
        return "data.validation_fraction is 0" if self.validation_fraction == 0 else None


class TableSection(HeldOutRows):
    """What all tables have, those of plug-ins too: how they are split and encoded."""

    bins: Literal["tree", "quantile", "none"] = Field(
        "tree",
        description="How numeric columns are cut into bins: where a decision tree of the target "
        "cuts, at quantiles, or not at all.",
    )
    max_bins: Annotated[int, Field(ge=2, le=1024)] = Field(
        32, description="Most bins of a numeric column."
    )
    features: SelectionConfig | None = Field(
        None,
        description="Which columns are used, found on the training rows: feature selection. Null: "
        "all.",
    )

    def unused(self):
        return {"max_bins": "bins is none"} if self.bins == "none" else {}


class OfficialSplit(TableSection):
    """A table whose test rows are those of its publisher."""

    def unused(self):
        unused = super().unused()
        if self.validation_fraction == 0 and self.features is None:
            unused["split_seed"] = "validation_fraction is 0 and the test split is the official one"
        return unused


class TestSplit(TableSection):
    """A table from which test rows are drawn."""

    test_fraction: BetweenZeroAndOne = Field(0.2, description="Part of all rows kept for the test.")


def _as_tuple(value):
    return tuple(value) if isinstance(value, list) else value


Tasks = Annotated[tuple[Text, ...] | None, BeforeValidator(_as_tuple)]


class SeveralTargets(TableSection):
    """A table with several targets, of which a config chooses.

    One chosen target makes a table like any other; several are for models of several targets. A
    data set names its targets in `TARGETS`, and says in the description of its own `tasks` what
    they are; its reader gets the target from `data.multi_target.target_of`.
    """

    TARGETS: ClassVar[tuple[str, ...]] = ()
    DEFAULT_TASKS: ClassVar[tuple[str, ...]] = ()  # Empty: the first target.

    tasks: Tasks = Field(None, description="The targets to learn. Null: the data set's own choice.")

    @property
    def chosen_tasks(self):
        """The targets to learn."""
        return self.tasks or self.DEFAULT_TASKS or self.TARGETS[:1]

    def rules(self):
        yield from super().rules()
        if self.tasks == ():
            yield "tasks", f"expected at least one of {', '.join(self.TARGETS)}"
        for task in dict.fromkeys(self.tasks or ()):
            if task not in self.TARGETS:
                hint = did_you_mean(task, self.TARGETS, in_brackets=True)
                hint = hint or f"; there are {', '.join(self.TARGETS)}"
                yield "tasks", f"the data set has no target {task!r}{hint}"
            elif self.tasks.count(task) > 1:
                yield "tasks", f"{task} is named twice"
