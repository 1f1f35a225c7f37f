"""docs/data.md says what the readers read."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from sparse_keras.data import READERS
from sparse_keras.data.sources import source_of
from sparse_keras.data.tabular.readers import census_income
from sparse_keras.data.tabular.sources import SOURCES
from sparse_keras.data.text.readers import CORPORA, LABELLED_TEXTS
from sparse_keras.data.text.sources import SOURCES as TEXT_SOURCES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
TABLES = PAGE.partition("## Texts")[0]
ROWS = {
    row[0]: row[1:]
    for row in re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|", TABLES, re.M)
}
_CORPUS = r"^\| `(\w+)` \| (\d+) \| ([\d.]+) \| [^|]*[a-z]"
CORPUS_ROWS = {row[0]: row[1:] for row in re.findall(_CORPUS, PAGE, re.M)}
_LABELLED = r"^\| `(\w+)` \| (\d+) \| (\d+|drawn) \| (\d+) \| (?:English|Chinese)"
LABELLED_ROWS = {row[0]: row[1:] for row in re.findall(_LABELLED, PAGE, re.M)}
OPTIONS = SimpleNamespace(test_fraction=0.2, split_seed=0, tasks=None, days=180)


def test_every_data_set_of_a_fixed_size_is_told():
    texts = {"newsgroups"}  # Their inputs are words.
    assert set(ROWS) == {name for name, source in SOURCES.items() if source.licence} - texts


@pytest.mark.parametrize("name", [name for name in ROWS if name in READERS])
def test_its_size_is_right(name):
    if not source_of(name).is_here():
        pytest.skip(f"needs `sparse-keras data fetch {name}`")
    raw = READERS[name](OPTIONS)
    inputs = len(raw.train.columns) - len(raw.target.columns)
    assert [int(number) for number in ROWS[name]] == [len(raw.train), len(raw.test), inputs]


def test_every_data_set_of_texts_is_told():
    told = CORPUS_ROWS.keys() | LABELLED_ROWS
    assert told == {name for name, source in TEXT_SOURCES.items() if source.licence}


@pytest.mark.parametrize("name", CORPUS_ROWS)
def test_the_size_of_a_corpus_is_right(name):
    if not source_of(name).is_here():
        pytest.skip(f"needs `sparse-keras data fetch {name}`")
    corpus = CORPORA[name](SimpleNamespace(collections=None, megabytes_each=4.9))
    num_documents = num_bytes = 0
    for document in corpus.documents():
        num_documents += 1
        num_bytes += len(document.encode())
    assert (str(num_documents), f"{num_bytes / 1e6:.1f}") == CORPUS_ROWS[name]


@pytest.mark.parametrize("name", LABELLED_ROWS)
def test_the_size_of_labelled_texts_is_right(name):
    if not source_of(name).is_here():
        pytest.skip(f"needs `sparse-keras data fetch {name}`")
    texts = LABELLED_TEXTS[name](None)
    num_test = str(len(texts.test[0])) if texts.test else "drawn"
    assert LABELLED_ROWS[name] == (str(len(texts.train[0])), num_test, str(len(texts.classes)))


def test_the_inputs_of_census_income_are_told():
    told = PAGE.partition("<!-- inputs: census_income -->")[2].partition("<!-- end of inputs -->")[
        0
    ]
    left_out = ("instance weight", "marital stat", "income")
    inputs = [name for name in census_income.COLUMNS if name not in left_out]
    assert re.split(r",\s+", told.strip()) == inputs and len(inputs) == 39
