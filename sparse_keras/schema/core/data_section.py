"""What the rest of the package asks of the section of a data set."""

from sparse_keras.schema.core.section import Section


class DataSection(Section):
    """A section under `data`."""

    @property
    def why_no_validation(self) -> str | None:
        """Why there are no validation rows, for error messages; None if there are some."""
        return None
