"""What the rest of the package asks of the section of a data set."""

from typing import Any

from sparse_keras._internal.builders import builder_of
from sparse_keras.schema.core.section import Section


class DataSection(Section):
    """A section under `data`. What it states here, rules of other sections depend on."""

    def load(self, batch_size: int, seed: int) -> Any:
        """Loads the data set, by the builder that is registered for its `type`.

        Args:
            batch_size: Examples in a batch.
            seed: Seed of the order of the training examples.

        Returns:
            A `data.Dataset`. The builder is called with this section and both arguments.
        """
        return builder_of("data", self.type)(self, batch_size=batch_size, seed=seed)

    @property
    def why_no_validation(self) -> str | None:
        """Why there is nothing to validate on, for error messages; None if there is."""
        return None

    @property
    def has_weights(self) -> bool:
        """Whether each row or other example has a weight of its own in the loss."""
        return False
