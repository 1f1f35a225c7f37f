"""`data`: texts of which each has a label."""

from typing import ClassVar, Literal

from pydantic import Field

from sparse_keras.schema.core.section import BetweenZeroAndOne, BrokenRules, Path, Text
from sparse_keras.schema.sections.text.files import (
    DELIMITED,
    TABLES,
    Encoding,
    Separator,
    suffix_of,
)
from sparse_keras.schema.sections.text.texts import LabelledTextSection


class _OfficialTest(LabelledTextSection):
    """Texts whose test texts are the official ones."""

    def unused(self) -> dict[str, str]:
        unused = super().unused()
        if self.validation_fraction == 0:
            unused["split_seed"] = (
                "validation_fraction is 0 and the test texts are the official ones"
            )
        return unused


class _DrawnTest(LabelledTextSection):
    """Texts of which some are drawn for testing."""

    test_fraction: BetweenZeroAndOne = Field(
        0.2, description="Fraction of the texts held out for testing."
    )


class ReutersR8(_OfficialTest):
    """Reuters-21578 R8: news of 8 topics, 5,485 and 2,189 texts. Downloads 38 MB once."""

    type: Literal["reuters_r8"] = Field("reuters_r8", description="Reuters news, 8 topics.")


class ReutersR52(_OfficialTest):
    """Reuters-21578 R52: news of 52 topics, 6,532 and 2,568 texts. Downloads 38 MB once."""

    type: Literal["reuters_r52"] = Field("reuters_r52", description="Reuters news, 52 topics.")


class TwentyNewsgroups(_OfficialTest):
    """20 Newsgroups: 11,293 and 7,528 messages, split by date. Downloads 38 MB once."""

    type: Literal["twenty_newsgroups"] = Field(
        "twenty_newsgroups", description="20 Newsgroups, texts for models that read tokens."
    )


class SpamAssassin(_DrawnTest):
    """SpamAssassin: 5,936 mails, spam or ham: subjects and bodies. Downloads 20 MB once.

    All headers but the subject are removed, because dates and mailing lists tell the label.
    """

    type: Literal["spam_assassin"] = Field("spam_assassin", description="Mails, spam or ham.")


class ChineseReviews(_DrawnTest):
    """Chinese reviews: 17,361 of books, computers and hotels. Downloads 38 MB once."""

    type: Literal["chinese_reviews"] = Field(
        "chinese_reviews", description="Chinese reviews, positive or negative."
    )


class OwnLabelledTexts(_DrawnTest):
    """Texts of your own, each with a label."""

    FILES: ClassVar[tuple[str, ...]] = ("tokenizer", "path", "test_path", "validation_path")
    FOLDERS: ClassVar[tuple[str, ...]] = ("tokenizer", "path", "test_path", "validation_path")

    type: Literal["labelled_texts"] = Field(
        "labelled_texts", description="Texts of your own, each with a label."
    )
    path: Path = Field(
        description="A .csv, .tsv, .jsonl or .parquet file, or a folder with a folder of texts for "
        "each class, relative to the folder of the YAML file that gives it."
    )
    test_path: Path | None = Field(
        None, description="The same with the test texts. Null: they are drawn from `path`."
    )
    validation_path: Path | None = Field(
        None, description="The same with the validation texts. Null: they are drawn from `path`."
    )
    text: Text = Field("text", description="The column of the texts.")
    label: Text = Field(
        "label",
        description="The column of the labels. For folders, what their names tell, such as topic.",
    )
    separator: Separator = Field(
        None,
        description="The character between the cells of .csv and .tsv files. Null: a comma, and a "
        "tab.",
    )
    encoding: Encoding = Field(
        "utf-8",
        description="Encoding of files that do not begin with a byte order mark, such as utf-8 or "
        "cp1252.",
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.text == self.label:
            yield "label", f"is the column of the texts, {self.text!r}, too"

    def unused(self) -> dict[str, str]:
        unused = super().unused()
        paths = (self.path, self.test_path, self.validation_path)
        suffixes = {suffix_of(path) for path in paths if path is not None}
        if not suffixes & TABLES:
            unused["text"] = "path is a folder: its files are the texts"
        if not suffixes & DELIMITED:
            unused["separator"] = "only .csv and .tsv files have cells with a separator"
        if suffixes == {".parquet"}:
            unused["encoding"] = "a Parquet file knows its encoding"
        if self.test_path is not None:
            unused["test_fraction"] = "test_path is given"
        if self.validation_path is not None:
            unused["validation_fraction"] = "validation_path is given"
        drawn = self.test_path is None or (
            self.validation_path is None and self.validation_fraction > 0
        )
        if not drawn:
            unused["split_seed"] = "no texts are drawn for validation or testing"
        return unused

    @property
    def why_no_validation(self) -> str | None:
        return None if self.validation_path is not None else super().why_no_validation
