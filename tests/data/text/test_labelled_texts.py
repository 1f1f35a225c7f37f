"""Labelled texts: in packages and of one's own; what is left out, and what is wrong with them."""

import json
from collections import Counter
from types import SimpleNamespace

import pandas as pd
import pytest

from sparse_keras.data.text import sources
from sparse_keras.data.text.labels import classes_of, without_duplicates
from sparse_keras.data.text.readers import LABELLED_TEXTS, chinese_reviews, spam_assassin

HEADER = "Category\tText\nd\tstring\nclass\t\n"


@pytest.fixture
def read(tmp_path):
    """Returns a function that reads labelled texts in the test's folder."""

    def read(path, test_path=None, validation_path=None, **options):
        defaults = {"text": "text", "label": "label", "separator": None, "encoding": "utf-8"}
        paths = {"path": path, "test_path": test_path, "validation_path": validation_path}
        paths = {key: path and str(tmp_path / path) for key, path in paths.items()}
        return LABELLED_TEXTS["labelled_texts"](SimpleNamespace(**(defaults | paths | options)))

    return read


@pytest.mark.parametrize(
    "name, package, target",
    [
        ("reuters_r8", "REUTERS_R8", "topic"),
        ("reuters_r52", "REUTERS_R52", "topic"),
        ("twenty_newsgroups", "TWENTY_NEWSGROUPS", "newsgroup"),
    ],
)
def test_official_splits(packaged, monkeypatch, name, package, target):
    train, test = getattr(sources, package).members
    members = {
        train: f"{HEADER}\nearn\tprofit up\nacq\tthey buy\n\t\nearn\tprofit down\n",
        test: f"{HEADER}acq\tthey sell\nearn\tprofit up\n",
    }
    archive = packaged(getattr(sources, package), members)
    monkeypatch.setattr(sources, package, archive)
    texts = LABELLED_TEXTS[name](None)
    assert (texts.name, texts.target, texts.classes) == (name, target, ("acq", "earn"))
    assert texts.train == (["profit up", "they buy", "profit down"], ["earn", "acq", "earn"])
    assert texts.test == (["they sell", "profit up"], ["acq", "earn"])
    assert texts.validation is None
    assert texts.notes == (
        "Lines with neither text nor label, left out: 1.",
        "Test texts that are training texts as well: 1.",
    )


def test_mails_lose_their_headers(packaged, monkeypatch):
    head = "From me@x Wed Aug 14\nReceived: from x\n\tby y; Wed, 14 Aug 2002\n"
    mails = {
        "easy-ham-1/1.a": f"{head}Subject: Hello\n  there\nDate: now\n\nBody: 1\n\nEnd\n",
        "hard-ham-1/1.b": f"{head}subject:Hello there\nX-List: l\n\nBody: 1\nEnd",
        "spam-2/1.c": f"{head}To: you\n\nBuy!\n",
        "spam-1/1.d": f"{head}\n\n \n",
        "spam-1/1.e": f"{head}Subject: Both\n\nx",
        "easy-ham-2/1.f": f"{head}Subject: Both\n\nx\n",
    }
    members = {f"package/data/{n}.json": json.dumps({"text": m}) for n, m in mails.items()}
    members["package/data/file_list.json"] = "[]"
    members["package/data/spam-1/1.c.txt"] = "not read"
    archive = packaged(sources.SPAM_ASSASSIN, members)
    monkeypatch.setattr(spam_assassin, "ARCHIVE", archive)
    texts = LABELLED_TEXTS["spam_assassin"](None)
    assert texts.train == (["Hello there\n\nBody: 1\n\nEnd\n", "Buy!\n"], ["ham", "spam"])
    assert (texts.test, texts.classes) == (None, ("ham", "spam"))
    assert set(texts.notes) == {
        "Mails of which all headers but the subject were removed: 6.",
        "Mails without subject and body, left out: 1.",
        "Repeated texts, left out: 1.",
        "Texts with several labels, left out: 2.",
    }


def test_a_header_that_is_no_subject():
    assert spam_assassin.subject_and_body("X-Subject: a\nReply: b\n\nbody") == "body"
    assert spam_assassin.subject_and_body("Subject: a\r\nTo: b\r\n\r\nc\r\n") == "a\n\nc\n"


def test_chinese_reviews(packaged, monkeypatch):
    positive, negative = sources.CHINESE_REVIEWS.members
    members = {positive: "很好\n不错\n很好\n", negative: "很差\n \n不错\n"}
    archive = packaged(sources.CHINESE_REVIEWS, members)
    monkeypatch.setattr(chinese_reviews, "ARCHIVE", archive)
    texts = LABELLED_TEXTS["chinese_reviews"](None)
    assert texts.train == (["很好", "很差"], ["positive", "negative"])
    assert texts.classes == ("negative", "positive") and texts.test is None
    assert texts.notes == (
        "Lines without text, left out: 1.",
        "Texts with several labels, left out: 2.",
        "Repeated texts, left out: 1.",
    )


def test_texts_that_differ_in_white_space_are_equal():
    counts = Counter()
    texts = ["a b", "a  b\n", "ab", "A b"]
    kept = without_duplicates(texts, ["x", "x", "x", "y"], counts)
    assert kept == (["a b", "ab", "A b"], ["x", "x", "y"])
    assert counts == {"Repeated texts, left out": 1}


def test_order_of_classes():
    assert classes_of("x", ["10", "9", "-1"]) == ("-1", "9", "10")
    assert classes_of("x", ["10", "9"], ["b"]) == ("10", "9", "b")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_columns_of_a_file(tmp_path, read, suffix):
    frame = pd.DataFrame(
        {
            "text": ["good", "bad, very", None, "  ", "so so", "NA"],
            "label": ["pos", " neg", "pos", "neg", None, "pos"],
            "id": range(6),
        }
    )
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    texts = read(path.name)
    assert texts.train == (["good", "bad, very", "NA"], ["pos", "neg", "pos"])
    assert (texts.name, texts.target) == (path.name, "label")
    assert texts.test is texts.validation is None and texts.classes == ("neg", "pos")
    assert texts.notes == (
        "Labels with spaces around them, which were removed: 1.",
        "Texts without text, left out: 2.",
        "Texts without label, left out: 1.",
    )


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_labels_that_are_numbers(tmp_path, read, suffix):
    frame = pd.DataFrame({"review": ["a", "b", "c"], "stars": [10, 2, 10]})
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)
    texts = read(path.name, text="review", label="stars")
    assert texts.train[1] == ["10", "2", "10"] and texts.classes == ("2", "10")
    assert texts.target == "stars"


def test_parts_in_files_of_their_own(tmp_path, read):
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "test.csv").write_text("text,label\na,x\nc,z\nd,z\n")
    (tmp_path / "valid.jsonl").write_text('{"text": "e", "label": "y"}\n')
    texts = read("train.csv", test_path="test.csv", validation_path="valid.jsonl")
    assert texts.test == (["a", "c", "d"], ["x", "z", "z"])
    assert texts.validation == (["e"], ["y"])
    assert texts.classes == ("x", "y", "z")
    assert texts.notes == (
        "Test texts that are training texts as well: 1.",
        "Test texts of classes that no training text has ('z'): 2.",
    )


def test_folders_of_classes(tmp_path, read):
    names = ("pos/2.txt", "pos/deep/1.txt", "neg/1.txt", "neg/.hidden", "README.md", "neg/empty")
    for name in names:
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        content = "" if name == "neg/empty" else f"é{name}"
        (tmp_path / "texts" / name).write_text(content, encoding="cp1252")
    texts = read("texts", encoding="cp1252")
    assert texts.train == (["éneg/1.txt", "épos/2.txt", "épos/deep/1.txt"], ["neg", "pos", "pos"])
    assert set(texts.notes) == {
        "Hidden files, left out: 1.",
        "Files outside the folders of the classes, left out: 1.",
        "Texts without text, left out: 1.",
    }


@pytest.mark.parametrize(
    "path, options, message",
    [
        ("a.txt", {}, "a.txt: expected a file that ends in .csv, .tsv, .jsonl, .parquet, or a fol"),
        ("*.csv", {}, "does not exist"),
        ("b.csv", {}, "b.csv does not exist. Did you mean"),
        ("a.csv", {"text": "txt"}, "no column 'txt', which data.text names. Did you mean 'text'"),
        ("a.csv", {"label": "lable"}, "'lable', which data.label names. Did you mean 'label'"),
        ("a.csv", {"label": "one"}, "at least two classes. Received: '1'"),
        ("a.csv", {"label": "case"}, "differ in more than case. Received: 'Yes', 'yes'"),
        ("a.csv", {"label": "none"}, "data.path: .*a.csv holds no text that has a label"),
        ("a.csv", {"test_path": "none.csv"}, "data.test_path: .*none.csv holds no text"),
        ("flat", {}, "data.path: .*flat holds no text that has a label"),
        ("tables", {}, "x.csv: expected plain text, as .*tables is a folder"),
        (
            "latin.csv",
            {},
            "latin.csv, line 2: the byte 0xe9 .* Set data.encoding .*read right(?!.*data.errors)",
        ),
        ("float.jsonl", {}, "expected text, a whole number, true or false for 'label'"),
    ],
)
def test_mistakes(tmp_path, read, path, options, message):
    for folder in ("flat", "tables", "tables/a"):
        (tmp_path / folder).mkdir()
    contents = {
        "a.txt": "x",
        "a.csv": "text,label,one,case,none\na,x,1,Yes,\nb,y,1,yes,\nc,z,1,No,\n",
        "none.csv": "text,label\n",
        "flat/a.txt": "x",
        "tables/a/x.csv": "x",
        "float.jsonl": '{"text": "a", "label": 1.5}\n',
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "latin.csv").write_bytes(b"text,label\ncaf\xe9,x\n")
    with pytest.raises(ValueError, match=message):
        read(path, **options)
