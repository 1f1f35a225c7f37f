"""The sections of texts: which keys apply to which files, and which values are refused."""

import pytest
from pydantic import ValidationError

from sparse_keras.schema.config import Config
from sparse_keras.schema.sections.text import corpora, labelled


def text_files(path, **keys):
    return corpora.TextFiles(path=path, **keys)


def own(path="a.csv", **keys):
    return labelled.OwnLabelledTexts(path=path, **keys)


@pytest.mark.parametrize(
    "make, keys, message",
    [
        (text_files, {"path": "a.csv"}, "column: required for files with columns"),
        (text_files, {"path": "*.jsonl.gz"}, "column: required for files with columns"),
        (
            text_files,
            {"path": "a.csv", "column": "t", "documents": "line"},
            "documents: .*each row of a file with columns is a document",
        ),
        (text_files, {"path": "a.txt", "column": "t"}, "column: .*plain text has no columns"),
        (text_files, {"path": "a.txt.gz", "separator": ";"}, "separator: has no effect"),
        (text_files, {"path": "a.jsonl", "column": "t", "separator": ";"}, "separator: has no"),
        (text_files, {"path": "a.parquet", "column": "t", "encoding": "cp1252"}, "encoding: has"),
        (text_files, {"path": "a.parquet", "column": "t", "errors": "replace"}, "errors: has no"),
        (text_files, {"path": "a", "encoding": "cp12525"}, "Did you mean 'cp1252'"),
        (text_files, {"path": "a", "column": "t", "separator": ";;"}, "separator is one ASCII"),
        (corpora.ChinesePoetry, {"collections": ()}, "at least one collection"),
        (corpora.ChinesePoetry, {"collections": ["tang", "tang"]}, "none of them twice"),
        (corpora.ChinesePoetry, {"collections": ["tan"]}, "'tang', 'song', 'ci', 'qu' or 'clas"),
        (corpora.Writings, {"megabytes_each": 5.0}, "less than or equal to 4.95"),
        (labelled.ReutersR8, {"validation_fraction": 0, "split_seed": 1}, "split_seed: has no"),
        (own, {"label": "text"}, "label: is the column of the texts, 'text', too"),
        (own, {"test_path": "b.csv", "test_fraction": 0.1}, "test_fraction: .*test_path is given"),
        (own, {"validation_path": "b.csv", "validation_fraction": 0.1}, "validation_fraction: has"),
        (
            own,
            {"test_path": "b", "validation_path": "c", "split_seed": 1},
            "split_seed: has no eff",
        ),
        (own, {"test_path": "b", "validation_fraction": 0, "split_seed": 1}, "split_seed: has no"),
        (own, {"path": "folder", "text": "t"}, "text: has no effect: path is a folder"),
        (own, {"path": "folder", "separator": ";"}, "separator: has no effect"),
        (own, {"path": "a.parquet", "encoding": "cp1252"}, "encoding: has no effect"),
    ],
)
def test_refused(make, keys, message):
    with pytest.raises(ValidationError, match=message):
        make(**keys)


def test_accepted():
    # The files of a folder or of a pattern are not known to the config.
    for path in ("folder", "texts/*", "folder.v1"):
        text_files(path, column="t", separator=";", documents="line", errors="replace")
    text_files("a.csv.gz", column="t", separator=";", encoding="cp1252")
    own("folder", encoding="cp1252", label="topic")
    own("folder", test_path="b.tsv", text="t", separator=";")
    own("a.parquet", test_path="b.csv", encoding="cp1252")
    own(test_path="b.csv", split_seed=1)  # Validation texts are drawn.
    assert corpora.ChinesePoetry(collections=["tang", "ci"]).collections == ("tang", "ci")


def test_why_there_are_no_validation_texts():
    assert own(validation_path="v.csv").why_no_validation is None
    assert own(validation_fraction=0).why_no_validation == "data.validation_fraction is 0"


def test_a_resolved_section_has_only_keys_that_apply():
    assert "split_seed" not in own(test_path="b.csv", validation_fraction=0).model_dump()
    dumped = text_files("a.parquet", column="t").model_dump()
    assert not dumped.keys() & {"documents", "separator", "encoding", "errors"}


def test_a_moved_file_is_the_same_config():
    def identity(path):
        return text_files(path).model_dump(context={"identity": True})

    assert identity("/a/x.txt") == identity("/b/x.txt") != identity("/a/y.txt")


def test_files_that_are_not_there(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")

    def missing(path, section=text_files, **keys):
        data = section(str(tmp_path / path), **keys)
        return Config.model_construct(version=1, model=None, data=data).missing_files().keys()

    for path in ("texts", "texts/a.txt", "texts/*.txt", "**/*.txt"):
        assert not missing(path)
    assert missing("text") == missing("texts/*.md") == {"data.path"}
    assert missing("texts", tokenizer=str(tmp_path / "gone")) == {"data.tokenizer"}
    assert missing("texts", own, test_path=str(tmp_path / "gone")) == {"data.test_path"}
