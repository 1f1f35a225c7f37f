"""`data`: what all data sets of texts share: the tokenizer, and how texts are held out."""

from typing import Annotated, Any, Literal

from pydantic import Field

from sparse_keras._internal.builders import resolve
from sparse_keras.schema.core.data_section import DataSection
from sparse_keras.schema.core.section import Count, Fraction, PathOrName, Seed

# The 256 bytes, and the token that separates documents.
VocabularySize = Annotated[int, Field(ge=257, le=2**31 - 1)]


class TextSection(DataSection):
    """Texts, and how they become tokens."""

    FILES = FOLDERS = ("tokenizer",)

    tokenizer: PathOrName | None = Field(
        None,
        description="File of a tokenizer, as the Hugging Face library `tokenizers` saves it "
        "(tokenizer.json), or the folder of a published checkpoint that has it, or the name of "
        "one that is downloaded once (all_minilm_l6_v2); or a run's folder or a .keras file, to "
        "take that of its model. Null: byte-pair encoding of bytes, trained "
        "on the training texts.",
    )
    vocabulary_size: VocabularySize = Field(
        8192, description="Maximum number of tokens of a tokenizer that is trained."
    )
    validation_fraction: Fraction = Field(
        0.05, description="Fraction of the texts held out for validation. 0: none."
    )
    split_seed: Seed = Field(
        0, description="Seed of the random splits, independent of training.seed."
    )

    def unused(self) -> dict[str, str]:
        return {} if self.tokenizer is None else {"vocabulary_size": "tokenizer is given"}

    @property
    def why_no_validation(self) -> str | None:
        return "data.validation_fraction is 0" if self.validation_fraction == 0 else None


class CorpusSection(TextSection):
    """Documents that a language model learns to continue. Corpora of plug-ins derive from it.

    The builder that is registered for a corpus's `type` is called with the section, and returns a
    `sparse_keras.data.Corpus`.
    """

    # Its tokens take long to make, and the parts are large.
    SPLITS_DIFFER = False

    context_length: Count = Field(
        256,
        description="Number of tokens of a training example. Documents are packed: an example may "
        "hold several, or a part of one.",
    )
    separate_documents: bool = Field(
        True,
        description="Whether documents that are packed into one example do not attend to each "
        "other.",
    )
    test_fraction: Fraction = Field(
        0.05, description="Fraction of the texts held out for testing. 0: none."
    )
    held_out: Literal["documents", "endings"] | None = Field(
        None,
        description="What is held out for validation and testing: whole documents, drawn at "
        "random, or the ending of each document. Null: the default of the data set; for your own "
        "files documents, if there are at least 100, else endings.",
    )

    def unused(self) -> dict[str, str]:
        unused = super().unused()
        if self.validation_fraction == 0 and self.test_fraction == 0:
            unused["held_out"] = "validation_fraction and test_fraction are 0"
        return unused

    def load(self, batch_size: int, seed: int) -> Any:
        """Loads a corpus: the builder of its `type` reads documents, `data.load_corpus` does the
        rest."""
        load_corpus = resolve("sparse_keras.data:load_corpus")
        return load_corpus(self, batch_size=batch_size, seed=seed)


class LabelledTextSection(TextSection):
    """Texts of which each has a label. Data sets of plug-ins derive from it.

    The builder that is registered for its `type` is called with the section, and returns
    `sparse_keras.data.LabelledTexts`.
    """

    max_length: Count = Field(
        256,
        description="Number of tokens of the longest text; longer texts are cut, and counted.",
    )

    def load(self, batch_size: int, seed: int) -> Any:
        """Loads labelled texts: the builder of its `type` reads them,
        `data.load_labelled_texts` does the rest."""
        load_texts = resolve("sparse_keras.data:load_labelled_texts")
        return load_texts(self, batch_size=batch_size, seed=seed)
