"""What the rest of the package asks of the section of a model."""

from typing import ClassVar

from sparse_keras.schema.core.section import Section


class ModelSection(Section):
    """A section under `model`.

    Attributes:
        HAS_EXPERTS: Whether the model has experts, whose load training can report.
    """

    HAS_EXPERTS: ClassVar[bool] = True
