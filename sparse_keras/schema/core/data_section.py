"""What the rest of the package asks of the section of a data set."""

from sparse_keras.schema.core.section import Section


class DataSection(Section):
    """A section under `data`. What it states here, rules of other sections depend on."""

    @property
    def why_no_validation(self) -> str | None:
        """Why there is nothing to validate on, for error messages; None if there is."""
        return None

    @property
    def has_weights(self) -> bool:
        """Whether each row or other example has a weight of its own in the loss."""
        return False
