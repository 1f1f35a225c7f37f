"""What the rest of the package asks of the section of a data set."""

from typing import Any, ClassVar

from sparse_keras._internal.builders import builder_of
from sparse_keras.schema.core.section import Section


class DataSection(Section):
    """A section under `data`. Rules of other sections read its properties.

    Attributes:
        SPLITS_DIFFER: Whether a comparison over seeds draws another split for each of them, by
            `split_seed`.
    """

    SPLITS_DIFFER: ClassVar[bool] = True

    def load(self, batch_size: int, seed: int) -> Any:
        """Loads the data set, with the builder that is registered for its `type`.

        The builder is called with this section and both arguments.

        Args:
            batch_size: Number of examples in a batch.
            seed: Seed of the order of the training examples.

        Returns:
            A `data.Dataset`.
        """
        return builder_of("data", self.type)(self, batch_size=batch_size, seed=seed)

    @property
    def why_no_validation(self) -> str | None:
        """The reason why there are no validation examples, for error messages; else None."""
        return None

    @property
    def has_weights(self) -> bool:
        """Whether each example has a weight of its own in the loss."""
        return False
