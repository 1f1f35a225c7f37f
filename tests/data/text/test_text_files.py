"""Texts in files of one's own: which files, what a document is, and what is wrong with them."""

import gzip
import json
from types import SimpleNamespace

import pandas as pd
import pytest

from sparse_keras.data.text.readers import CORPORA, text_files

TEXT = "First line.\nSecond line.\n\n  \nNew paragraph.\n"


@pytest.fixture
def read(tmp_path):
    """Returns a function that reads a path in the test's folder."""

    def read(path, **options):
        defaults = {"documents": "file", "column": None, "separator": None}
        defaults |= {"encoding": "utf-8", "errors": "strict"}
        options = SimpleNamespace(path=str(tmp_path / path), **(defaults | options))
        return CORPORA["text_files"](options)

    return read


def documents(corpus):
    return list(corpus.documents())


@pytest.mark.parametrize(
    "unit, expected, notes",
    [
        ("file", [TEXT], ()),
        ("paragraph", ["First line.\nSecond line.", "New paragraph."], ()),
        (
            "line",
            ["First line.", "Second line.", "New paragraph."],
            ("Documents without text, left out: 2.",),
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a", "a.txt.gz"])
def test_what_a_document_is(tmp_path, read, name, unit, expected, notes):
    content = TEXT.replace("\n", "\r\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    corpus = read(name, documents=unit)
    for _ in range(2):
        assert documents(corpus) == expected and corpus.notes() == notes
    assert corpus.sources is None and corpus.held_out is None


def test_only_line_breaks_end_a_line(tmp_path, read):
    (tmp_path / "a.txt").write_bytes("one\u2028still\x0cone\rtwo\nthree".encode())
    lines = ["one\u2028still\x0cone", "two", "three"]
    assert documents(read("a.txt", documents="line")) == lines


def test_lines_across_parts_of_a_file(tmp_path, read):
    lines = [str(n) * (n % 50) + "ü" for n in range(60_000)]  # More than one block of 1 MiB.
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    assert (tmp_path / "a.txt").stat().st_size > 2 * 2**20
    assert documents(read("a.txt", documents="line")) == lines


@pytest.mark.parametrize("unit", ["file", "paragraph"])
def test_an_empty_file_is_counted(tmp_path, read, unit):
    (tmp_path / "a.txt").write_text("  \n\n")
    (tmp_path / "b.txt").write_text("text")
    corpus = read("*.txt", documents=unit)
    assert documents(corpus) == ["text"]
    assert corpus.notes() == ("Documents without text, left out: 1.",)


def test_a_folder_is_read_at_any_depth(tmp_path, read):
    for name in ("b.txt", "a/z.md", "a/y.txt", ".hidden", ".git/config"):
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(name)
    corpus = read("texts")
    assert documents(corpus) == ["a/y.txt", "a/z.md", "b.txt"]
    assert corpus.notes() == ("Hidden files, left out: 2.",)
    assert documents(read("texts/**/*.txt")) == ["a/y.txt", "b.txt"]
    assert documents(read("texts/a/*")) == ["a/y.txt", "a/z.md"]


def test_links_to_folders_are_followed_once(tmp_path, read):
    (tmp_path / "texts").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("linked")
    (tmp_path / "texts" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "texts")
    assert documents(read("texts")) == ["linked"]


def test_a_long_cell(tmp_path, read):
    (tmp_path / "a.csv").write_text(f"text,n\n{'long ' * 100_000},1\n")
    (text,) = documents(read("a.csv", column="text"))
    assert len(text) == 500_000  # Python's own limit is 131,072.


def test_a_separator_that_the_file_declares(tmp_path, read):
    (tmp_path / "a.csv").write_text("sep=;\ntext;n\na, b;1\n")
    assert documents(read("a.csv", column="text")) == ["a, b"]
    (tmp_path / "a.csv").write_text("sep=;\ntext;n\na;b;1\n")
    with pytest.raises(ValueError, match="a.csv, line 3: expected 2 cells"):
        documents(read("a.csv", column="text"))


def test_a_file_whose_name_is_a_pattern(tmp_path, read):
    (tmp_path / "a[1].txt").write_text("itself")
    (tmp_path / "a1.txt").write_text("another")
    assert documents(read("a[1].txt")) == ["itself"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz"])
def test_a_column(tmp_path, read, suffix):
    texts = ['with, comma and "quotes"\nin two lines', None, "NA", "null", "  ", "last"]
    frame = pd.DataFrame({"id": range(6), "body": texts})
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    corpus = read(f"a{suffix}", column="body")
    assert documents(corpus) == [texts[0], "NA", "null", "last"]
    assert corpus.notes() == (
        "Rows without text, left out: 1.",
        "Documents without text, left out: 1.",
    )


def test_a_folder_of_both_kinds(tmp_path, read):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.csv").write_text("t;n\nin a table;1\n")
    (tmp_path / "texts" / "b.txt").write_text("a file")
    assert documents(read("texts", column="t", separator=";")) == ["in a table", "a file"]


@pytest.mark.parametrize(
    "content, encoding",
    [
        ("Zoë\n".encode("utf-8-sig"), "utf-8"),
        ("Zoë\n".encode("utf-16"), "utf-8"),  # The mark decides.
        ("Zoë\n".encode("cp1252"), "cp1252"),
        ("Zoë\n".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_encodings(tmp_path, read, content, encoding):
    (tmp_path / "a.txt").write_bytes(content)
    assert documents(read("a.txt", encoding=encoding)) == ["Zoë\n"]


@pytest.mark.parametrize("name, column", [("a.txt", None), ("a.csv", "text"), ("a.jsonl", "text")])
def test_bytes_that_are_no_text(tmp_path, read, name, column):
    filler = {"a.txt": "x\n", "a.csv": "text\nx\n", "a.jsonl": '{"text": "x"}\n'}[name].encode()
    last = {"a.jsonl": b'{"text": "Zo\xeb"}\n'}.get(name, b"Zo\xeb\n")
    (tmp_path / name).write_bytes(filler + last)
    position = (filler + last).index(b"\xeb")
    with pytest.raises(ValueError) as caught:
        documents(read(name, column=column))
    told = str(caught.value)
    assert f"{tmp_path / name}, line" in told
    assert f"the byte 0xeb at position {position} of the file" in told
    assert "to the encoding in which" in told and "cp1252 'Zoë" in told
    assert "Or set data.errors to replace" in told and "--encoding on the command line" in told

    corpus = read(name, column=column, errors="replace")
    assert documents(corpus)[-1].strip().endswith("Zo\ufffd")
    assert corpus.notes() == ("Characters U+FFFD, for bytes that are no text: 1.",)


def test_a_file_too_large_for_one_document(tmp_path, read, monkeypatch):
    (tmp_path / "a.txt").write_text(TEXT)

    def full(subject, nbytes, advice):
        raise ValueError(f"{subject} {nbytes}. {advice}")

    monkeypatch.setattr(text_files, "check_memory", full)
    with pytest.raises(ValueError, match=f"which takes {2 * len(TEXT)}. Set data.documents to par"):
        documents(read("a.txt"))
    assert len(documents(read("a.txt", documents="line"))) == 3


def test_the_digest_is_that_of_contents_and_options(tmp_path, read):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("one")
    (tmp_path / "c.txt").write_text("two")
    digest = read("a.txt").digest
    assert digest == read("b.txt").digest  # A file may be moved.
    others = [
        read("c.txt"),
        read("*.txt"),
        read("a.txt", documents="line"),
        read("a.txt", encoding="cp1252"),
        read("a.txt", errors="replace"),
    ]
    assert len({digest, *(other.digest for other in others)}) == 6
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.csv").write_text("a")
    (tmp_path / "texts" / "b.csv").write_text("a")
    before = read("texts", column="a").digest
    (tmp_path / "texts" / "b.csv").rename(tmp_path / "texts" / "b.txt")
    assert read("texts", column="a").digest != before  # It is read in another way.
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    by_column = [read("t.csv", column=column).digest for column in "ab"]
    assert len({*by_column, read("t.csv", column="a", separator=";").digest}) == 3


@pytest.mark.parametrize(
    "path, options, message",
    [
        ("nots.txt", {}, "nots.txt does not exist. Did you mean 'notes.txt'?"),
        ("texts/a.txt", {}, "There is no folder .*texts"),
        ("*.tex", {}, r"No file matches .*\*.tex. In a pattern, \* stands for"),
        ("empty", {}, "empty holds no files but hidden ones"),
        ("a.csv", {}, "data.column: name the column of .*a.csv that holds the texts"),
        ("*", {"column": "text"}, "x.docx: expected plain text.*save it as plain text"),
        (
            "notes.txt",
            {"column": "text"},
            "is 'text', but no file has columns: .*notes",
        ),
        (
            "a.csv",
            {"column": "txt"},
            "'txt', which data.column names. Did you mean 'text'",
        ),
        ("b.csv", {"column": "text"}, "separate cells by ';', set data.separator"),
        ("a.csv", {"column": "text"}, "a.csv, line 3: expected 2 cells.*Received: 3"),
        ("quote.csv", {"column": "text"}, "row that begins in line 2, cannot be read as CSV"),
        ("a.jsonl", {"column": "text"}, "a.jsonl, line 3: expected text, a whole number.*1.5"),
        ("b.jsonl", {"column": "text"}, "b.jsonl, line 2 is not JSON"),
        ("c.jsonl", {"column": "text"}, "c.jsonl, line 1: expected an object"),
        (
            "d.jsonl",
            {"column": "text"},
            "no column 'text'.*Did you mean 'texts'.*'texts', 'id'",
        ),
        ("e.jsonl", {"column": "text"}, "e.jsonl, line 1: 'text' is no text"),
        ("f.jsonl", {"column": "text"}, "f.jsonl, line 1 is not JSON: 'text' stands twice"),
        ("twice.csv", {"column": "text"}, "has 2 columns 'text', which data.column names"),
        ("a.parquet", {"column": "text"}, "data.column is 'text', whose values are double"),
        ("a.parquet", {"column": "txt"}, "Did you mean 'text'"),
        ("b.parquet", {"column": "text"}, "b.parquet cannot be read as Parquet"),
        ("a.txt.gz", {}, "a.txt.gz is damaged"),
    ],
)
def test_mistakes(tmp_path, read, path, options, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").write_text("x")
    contents = {
        "notes.txt": "x",
        "x.docx": "x",
        "a.csv": 'text,n\n"a, b",1\na, b,2\n',
        "b.csv": "text;n\na;1\n",
        "quote.csv": 'text,n\n"a,1\nb,2\n',
        "a.jsonl": '{"text": "a"}\n\n{"text": 1.5}\n',
        "b.jsonl": '{"text": "a"}\n{"text": \n',
        "c.jsonl": '["a"]\n',
        "d.jsonl": '{"texts": "a"}\n{"id": 1}\n',
        "e.jsonl": '{"text": "\\ud800"}\n',
        "f.jsonl": '{"text": "a", "text": "b"}\n',
        "twice.csv": "text,text\na,b\n",
        "b.parquet": "no parquet",
        "a.txt.gz": "no gzip",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    pd.DataFrame({"text": [1.5]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=message):
        documents(read(path, **options))


def test_rows_before_a_mistake_are_counted(tmp_path, read):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"text": "a"}\n{"text": [1]}\n')
    corpus = read("a.jsonl", column="text")
    with pytest.raises(ValueError, match=r"line 3.*Received: \[1\]"):
        documents(corpus)
    assert corpus.notes() == ("Rows without text, left out: 1.",)


def test_json_values_as_texts(tmp_path, read):
    rows = [{"text": 7}, {"text": True}, {"text": None}, {"other": 1}, {"text": "é"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    corpus = read("a.jsonl", column="text")
    assert documents(corpus) == ["7", "true", "é"]
    assert corpus.notes() == ("Rows without text, left out: 2.",)
