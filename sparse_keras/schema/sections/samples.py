"""`training.samples`: texts that a language model writes while it is trained."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from sparse_keras.schema.core.section import BrokenRules, Count, NotNegative, Section, Seed

if TYPE_CHECKING:
    from sparse_keras.schema.config import Config

Prompts = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]
_OF_DRAWING = ("top_k", "top_p", "seed")


class Samples(Section):
    """Texts that the model writes at the end of each epoch: the arguments of `callbacks.Samples`.

    They are shown, and written to samples.jsonl in the run folder.
    """

    prompts: Prompts = Field(
        ("",), description="What the texts begin with. An empty one: a new text."
    )
    max_new_tokens: Count = Field(100, description="Maximum number of tokens of each text.")
    temperature: NotNegative = Field(
        0.8, description="0 for the most likely token; higher values draw less likely ones, too."
    )
    top_k: Count | None = Field(
        None, description="Draw only from so many most likely tokens. Null: from all."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Draw only from the fewest most likely tokens that have at least this "
        "probability together. Null: from all.",
    )
    seed: Seed = Field(0, description="Seed of what is drawn, the same in each epoch.")

    def unused(self) -> dict[str, str]:
        return dict.fromkeys(_OF_DRAWING, "temperature is 0") if self.temperature == 0 else {}

    def rules_with(self, config: "Config") -> BrokenRules:
        if not config.model.GENERATES:
            yield (
                "training.samples",
                f"a model of type {config.model.type} writes no texts; leave it out",
            )
