"""`data`: corpora, documents that a language model learns to continue."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from sparse_keras.schema.core.section import BrokenRules, Path, Text
from sparse_keras.schema.sections.text.files import (
    DELIMITED,
    TABLES,
    Encoding,
    Separator,
    suffix_of,
)
from sparse_keras.schema.sections.text.texts import CorpusSection

_PLAIN = (".txt", ".md")  # Other suffixes may be those of a folder.
Collection = Literal["tang", "song", "ci", "qu", "classics"]


def _distinct(value):
    if not isinstance(value, (list, tuple)):
        return value
    if not value or len(set(map(str, value))) < len(value):
        raise PydanticCustomError(
            "collections", "Input should be a list of at least one collection, none of them twice"
        )
    return tuple(value)


class Shakespeare(CorpusSection):
    """Shakespeare: 38 plays, 5.0 MB. Downloads 2 MB once."""

    type: Literal["shakespeare"] = Field("shakespeare", description="Shakespeare, 38 plays.")


class Brown(CorpusSection):
    """The Brown corpus: 500 samples of American English, 15 genres, 6.0 MB. Downloads 3 MB once."""

    type: Literal["brown"] = Field(
        "brown", description="The Brown corpus, American English of 1961."
    )


class SymPy(CorpusSection):
    """The Python code of SymPy 1.14.0: 1,453 files, 26.2 MB. Downloads 6 MB once."""

    type: Literal["sympy"] = Field("sympy", description="The Python code of SymPy.")


class ChinesePoetry(CorpusSection):
    """Classical Chinese poetry: up to 344,185 poems, 79 MB. Downloads 85 MB once."""

    type: Literal["chinese_poetry"] = Field(
        "chinese_poetry", description="Classical Chinese poetry."
    )
    collections: Annotated[tuple[Collection, ...] | None, BeforeValidator(_distinct)] = Field(
        None,
        description="The collections to read: tang (13 MB) and song (56 MB), shi poems of these "
        "dynasties; ci (5.7 MB); qu (3.5 MB); classics (0.3 MB). Null: all.",
    )


class Writings(CorpusSection):
    """Equal shares of Shakespeare, the code of SymPy and Chinese poems of the Tang dynasty.

    Documents alternate between the three kinds. Downloads 94 MB once.
    """

    type: Literal["writings"] = Field(
        "writings", description="English verse, Python and Chinese poems, in equal shares."
    )
    megabytes_each: Annotated[float, Field(ge=0.001, le=4.95)] = Field(
        4.9,
        description="Megabytes (10^6 bytes in UTF-8) of each of the three kinds; Shakespeare has "
        "4.956.",
    )


class TextFiles(CorpusSection):
    """Texts of your own, in one file or many. They need not fit into memory."""

    FILES: ClassVar[tuple[str, ...]] = ("tokenizer", "path")
    FOLDERS: ClassVar[tuple[str, ...]] = ("tokenizer", "path")

    type: Literal["text_files"] = Field("text_files", description="Texts in files of your own.")
    path: Path = Field(
        description="A file, a folder, or a pattern such as texts/*.txt, relative to the folder of "
        "the YAML file that gives it. Of a folder, all files are read, at any depth. Files whose "
        "names end in .csv, .tsv, .jsonl or .parquet have columns, all others are plain text; .gz "
        "may follow."
    )
    documents: Literal["file", "paragraph", "line"] = Field(
        "file",
        description="What is a document in files of plain text. A blank line ends a paragraph.",
    )
    column: Text | None = Field(
        None,
        description="The column with the texts, for files with columns: each row is a document.",
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
    errors: Literal["strict", "replace"] = Field(
        "strict",
        description="Whether bytes that are not in the encoding raise an error or are replaced by "
        "the character U+FFFD, and counted.",
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.column is None and suffix_of(self.path) in TABLES:
            yield "column", "required for files with columns: the column that holds the texts"

    def unused(self) -> dict[str, str]:
        # The files of a folder, or of a pattern such as texts/*, are not known here.
        unused, suffix = super().unused(), suffix_of(self.path)
        if suffix in TABLES:
            unused["documents"] = "each row of a file with columns is a document"
        if suffix in TABLES - DELIMITED or suffix in _PLAIN:
            unused["separator"] = "only .csv and .tsv files have cells with a separator"
        if suffix in _PLAIN:
            unused["column"] = "a file of plain text has no columns"
        if suffix == ".parquet":
            unused["encoding"] = unused["errors"] = "a Parquet file knows its encoding"
        return unused
