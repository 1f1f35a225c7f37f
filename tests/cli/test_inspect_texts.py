"""`sparse-keras inspect` of models of texts."""

from pathlib import Path

import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.inspection.inspect_tokens import MAX_TOKENS
from tests.data.text import few_texts
from tests.plugins import verses
from tests.support.pages import Page

pytestmark = pytest.mark.usefixtures("eager_module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run of a language model and one of a classifier."""
    folder = tmp_path_factory.mktemp("texts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSE_KERAS_HOME", str(folder / "cache"))
        patch.chdir(folder)
        config = verses.CONFIG.replace("depth: 1", "depth: 2").replace("epochs: 2", "epochs: 1")
        Path("verses.yaml").write_text(config, encoding="utf-8")
        few_texts.config_of(few_texts.write(folder / "few.tsv", *few_texts.texts_of()))
        for name in ("verses", "few"):
            assert main(["train", f"{name}.yaml", "--output", "runs"]) == 0
        yield folder


@pytest.fixture
def run_of(folder, monkeypatch):
    """The folder of a run by name."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(folder / "cache"))
    return lambda name: str(next((folder / "runs" / name).iterdir()))


def test_a_language_model(run_of, capsys):
    run = run_of("verses")
    assert main(["inspect", run, "--split", "train", "--output", "verses.html"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    data = sparse_keras.load_data(sparse_keras.load_config("verses.yaml"))
    rows, tokens = data.train.num_examples, len(data.train.tokens)
    assert f"verses on {rows} train rows of verses" in printed
    assert f"All {tokens} tokens were read, in {rows} rows." in printed
    for number in range(2):
        assert f"causal_lm/block_{number}/mixture" in printed
    page = Path("verses.html").read_text(encoding="utf-8")
    checked = Page(page)
    checked.check_self_contained(page)
    assert "Texts by expert" in checked.text and "By source" in checked.text
    for source in ("or", "that", "存在"):
        assert f"source: {source}" in checked.text


def test_a_limit_of_tokens(run_of, capsys):
    more = ["--split", "train", "--output", "few_tokens.html"]
    assert main(["inspect", run_of("verses"), "--tokens", "64", *more]) == 0
    assert "64 of 571 tokens were read, in 2 rows spread evenly." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["inspect", "--help"])
    assert f"(default: {MAX_TOKENS})" in " ".join(capsys.readouterr().out.split())


def test_a_classifier(run_of, capsys):
    assert main(["inspect", run_of("few")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "few on 12 test rows of few.tsv" in printed and "tokens were read, in 12" in printed
    page = (Path(run_of("few")) / "inspection.html").read_text(encoding="utf-8")
    for label in few_texts.WORDS:
        assert f"label: {label}" in Page(page).text


@pytest.mark.parametrize(
    "more, message",
    [
        (["--tokens", "0"], "must be a positive integer. Received: 0"),
        (["--labels", "age"], "'verses' is not a table"),
    ],
)
def test_errors(run_of, capsys, more, message):
    assert main(["inspect", run_of("verses"), "--output", "error.html", *more]) == 2
    assert message in capsys.readouterr().err and not Path("error.html").exists()
