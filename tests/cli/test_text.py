"""`sparse-keras predict` and `evaluate --data` of a classifier of texts."""

import argparse
import csv
import io
import json
import re
import sys
import types

import pandas as pd
import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.cli.text import batches_of_texts
from sparse_keras.data import LanguagePreprocessor, Tokenizer
from tests.data.text.few_texts import config_of, texts_of, write

TEXTS, LABELS = texts_of(count=30, seed=7)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    config = config_of(
        write(folder / "texts.tsv", *texts_of()), tokens="vocabulary_size: 300, max_length: 60"
    )
    return sparse_keras.train(config, output=folder / "runs", verbose=0).path


@pytest.fixture(scope="module")
def model(run):
    return sparse_keras.load_model(run)


@pytest.fixture
def predict(run, capsys):
    """Runs the verb, and returns its table and what it writes to standard error."""

    def predict(*arguments):
        assert main(["predict", str(run), *map(str, arguments)]) == 0
        output, errors = capsys.readouterr()
        return list(csv.DictReader(io.StringIO(output))), errors

    return predict


def _json_lines(path, **columns):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_each_format_gives_the_predictions_of_the_model(predict, model, tmp_path):
    expected = list(model.predict_target(TEXTS, verbose=0))
    table = pd.DataFrame({"id": range(30), "text": TEXTS})
    table.to_csv(tmp_path / "new.csv", index=False, sep=";")
    table.to_parquet(tmp_path / "new.parquet")
    (tmp_path / "new.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    lines = _json_lines(tmp_path / "new.jsonl", id=range(30), body=TEXTS)
    for arguments in (
        ["new.csv", "--separator", ";", "--keep", "id"],
        ["new.parquet", "--keep", "id"],
        [lines.name, "--text-column", "body", "--keep", "id"],
        ["new.txt"],
    ):
        rows, _ = predict(tmp_path / arguments[0], *arguments[1:])
        assert [row["prediction"] for row in rows] == expected
        if "--keep" in arguments:
            assert [row["id"] for row in rows] == [str(number) for number in range(30)]


def test_standard_input(predict, model, monkeypatch):
    expected = model.predict_target(["cat dog", "", "red"], verbose=0)
    for content in (b"cat dog\n\nred\n", b"cat dog\r\n\r\nred", b"\xef\xbb\xbfcat dog\n\nred"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        rows, _ = predict("-")
        assert [row["prediction"] for row in rows] == list(expected)


def test_no_text_is_lost(predict, tmp_path, monkeypatch):
    """ "NA" is a text, and an empty one keeps its row. Parts of a file are one output."""
    monkeypatch.setattr("sparse_keras.cli.text._CHUNK", 2)
    long = "cat " * 200
    file = _json_lines(tmp_path / "new.jsonl", text=[None, long, "", long, "NA"], n=[1] * 5)
    rows, errors = predict(file)
    assert len(rows) == 5
    assert rows[0] == rows[2]
    assert "2 of 5 texts are empty" in errors
    # Said once, not of each part.
    assert errors.count("texts cut") == 1
    assert "2 of 5 texts cut after 60 tokens" in errors


def test_keep_copies_values_of_any_kind(predict, tmp_path, monkeypatch):
    """Also if the first part of a file has none."""
    monkeypatch.setattr("sparse_keras.cli.text._CHUNK", 2)
    columns = {"score": [None, None, 2.5], "when": [None, None, pd.Timestamp("2026-01-31")]}
    file = tmp_path / "new.parquet"
    pd.DataFrame({"text": ["cat", "red", "two"], **columns}).to_parquet(file)
    keep = ["--keep", "score", "--keep", "when"]
    predict(file, *keep, "--output", tmp_path / "out.parquet")
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert written["score"].fillna("").tolist() == ["", "", "2.5"]
    assert written["when"].fillna("").tolist() == ["", "", "2026-01-31 00:00:00"]
    rows, _ = predict(
        _json_lines(tmp_path / "new.jsonl", text=["cat"], x=[[1.5, "a"]]), *keep[:1], "x"
    )
    assert rows[0]["x"] == '[1.5, "a"]'


def test_evaluate_equals_keras(run, model, capsys, tmp_path):
    file = write(tmp_path / "more.tsv", [*TEXTS, "", "cat"], [*LABELS, "colours", ""])
    assert main(["evaluate", str(run), "--data", str(file), "--json"]) == 0
    output, errors = capsys.readouterr()
    metrics = json.loads(output)
    assert metrics["rows"] == 30
    wanted = model.evaluate(TEXTS, LABELS, return_dict=True, verbose=0)
    assert metrics["accuracy"] == pytest.approx(wanted["accuracy"])
    assert "Texts without text, left out: 1." in errors
    assert "Texts without label, left out: 1." in errors


@pytest.mark.parametrize(
    "verb, arguments, message",
    [
        ("predict", ["new.csv"], "has no column 'text', which --text-column names.*body"),
        ("predict", ["new.csv", "--text-column", "body", "--keep", "ID"], "--keep ID names.*'id'"),
        ("predict", ["new.xlsx"], "are read from .csv, .tsv, .jsonl and .parquet"),
        ("predict", ["no.txt"], "no.txt"),
        ("predict", ["new.txt", "--keep", "id"], "has no columns"),
        ("predict", ["-", "--text-column", "id"], "has no columns"),
        ("predict", [], "FILE"),
        ("predict", ["empty.txt"], "empty.txt holds no text"),
        ("predict", ["new.txt", "--encoding", "cp12"], "--encoding: An encoding is one that"),
        ("predict", ["new.csv", "--separator", ";;"], "--separator: A separator is one ASCII"),
        ("predict", ["new.jsonl", "--separator", ";"], "--separator has no effect: new.jsonl is"),
        ("predict", ["new.parquet", "--encoding", "cp1252"], "--encoding has no effect: a Parquet"),
        ("predict", ["semicolons.csv"], "by ';', set data.separator .--separator on the command"),
        ("evaluate", ["--data", "folder", "--text-column", "body"], "folder has no columns"),
        ("predict", ["new.csv", "--sheet", "a"], "--sheet has no effect"),
        ("evaluate", ["--data", "new.csv", "--text-column", "body"], "no column 'label'"),
        ("evaluate", ["--data", "odd.tsv"], "'plants', the labels of 1 of 2 texts"),
        ("evaluate", ["--text-column", "body"], "without --data"),
    ],
)
def test_errors(run, capsys, tmp_path, monkeypatch, verb, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text("id,body\n1,cat\n")
    (tmp_path / "new.txt").write_text("cat\n")
    (tmp_path / "semicolons.csv").write_text("text;id\ncat;1\n")
    for name in ("new.xlsx", "new.jsonl", "new.parquet", "empty.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder" / "animals").mkdir(parents=True)
    (tmp_path / "folder" / "animals" / "1.txt").write_text("cat")
    write(tmp_path / "odd.tsv", ["cat", "tree"], ["animals", "plants"])
    try:
        code = main([verb, str(run), *arguments])
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    output, errors = capsys.readouterr()
    assert not output
    assert re.search(message, errors, re.DOTALL), errors


def test_a_language_model_reads_texts_of_another_format_than_its_own(tmp_path, monkeypatch):
    """The column of its data is not that of a file without columns."""
    monkeypatch.chdir(tmp_path)
    rows = [f"the cat number {number} sees the dog" for number in range(40)]
    (tmp_path / "config.yaml").write_text(
        "version: 1\n"
        "data: {type: text_files, path: texts.jsonl, column: text, context_length: 8}\n"
        "model: {type: causal_lm, depth: 1, width: 8, num_heads: 1, hidden_dim: 8}\n"
        "optimizer: {type: adam}\n"
    )
    config = sparse_keras.load_config(tmp_path / "config.yaml")
    preprocessor = LanguagePreprocessor(Tokenizer.train(rows, 260), context_length=8)
    model = types.SimpleNamespace(preprocessor=preprocessor)
    (tmp_path / "new.txt").write_text(" ".join(rows))
    (tmp_path / "folder").mkdir()
    pd.DataFrame({"text": rows, "id": 1}).to_csv("folder/new.csv", index=False, sep=";")
    absent = dict.fromkeys(("text_column", "separator", "encoding", "decimal", "sheet"))

    def read(path, **arguments):
        given = argparse.Namespace(**absent | {"header_row": None} | arguments)
        return batches_of_texts(given, path, config, model)

    assert len(read("new.txt")) == len(read("folder", separator=";")) > 0
    with pytest.raises(ValueError, match="--text-column names.*--separator on the command line"):
        read("folder/*.csv")
    with pytest.raises(ValueError, match="--text-column has no effect: new.txt has no columns"):
        read("new.txt", text_column="text")
