"""`sparse-keras generate`."""

import io
import json
import sys

import keras
import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.training import load_model as loading
from tests.models.text.text_generators import make_reciter
from tests.plugins import verses

pytestmark = pytest.mark.usefixtures("eager_module")

TEXT = "ab 存🙂\n\x1b!"
SAMPLES = "training.samples={prompts: ['to be'], max_new_tokens: 5}"


@pytest.fixture(scope="module")
def reciter():
    return make_reciter(TEXT)


@pytest.fixture
def generate(reciter, tmp_path, monkeypatch):
    """Runs the verb on the reciter."""
    file = tmp_path / "model.keras"
    file.touch()
    monkeypatch.setattr(loading, "load_model", lambda path: reciter)
    return lambda *arguments: main(["generate", str(file), *arguments])


@pytest.fixture
def stdin(monkeypatch):
    def stdin(content, terminal=False):
        stream = io.TextIOWrapper(io.BytesIO(content))
        stream.isatty = lambda: terminal
        monkeypatch.setattr(sys, "stdin", stream)

    return stdin


def test_a_prompt(generate, capsys):
    assert generate("--prompt", "ab") == 0
    assert capsys.readouterr() == (TEXT[2:] + "\n", "")
    assert generate("--prompt", "ab", "--no-stream") == 0
    assert capsys.readouterr().out == TEXT[2:] + "\n"


def test_a_terminal_gets_no_control_characters(generate, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert generate("--prompt", "ab") == 0
    assert capsys.readouterr().out == " 存🙂\n\\x1b!\n"


def test_options(generate, capsys):
    assert generate("--prompt", "", "--max-new-tokens", "6") == 0
    assert generate("--prompt", "", "--stop", "never", "--stop", "🙂\\n") == 0
    assert capsys.readouterr().out == "ab 存\nab 存\n"
    drawn = ["--temperature", "0.01", "--top-k", "2", "--top-p", "0.9", "--seed", "1"]
    assert generate("--prompt", "", *drawn) == 0
    assert capsys.readouterr().out == TEXT + "\n"


def test_several_prompts(generate, capsys, tmp_path):
    assert generate("--prompt", "\x1b", "--prompt", "") == 0
    shown = TEXT.replace("\x1b", "\\x1b")
    assert capsys.readouterr().out == f"after '\\x1b':\n!\n\nafter '':\n{shown}\n"
    file = tmp_path / "prompts.txt"
    file.write_bytes("ab\r\n\r\n存".encode())
    assert generate("--prompt-file", str(file), "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["prompt"] for line in lines] == ["ab", "", "存"]
    assert [line["text"] for line in lines] == [TEXT[2:], TEXT, TEXT[4:]]


@pytest.mark.parametrize(
    "content, terminal, text",
    [(b"ab\n", False, TEXT[2:]), (b"", False, TEXT), (b"never read", True, TEXT)],
)
def test_standard_input(generate, stdin, capsys, content, terminal, text):
    stdin(content, terminal)
    assert generate() == 0
    assert capsys.readouterr().out == text + "\n"


def test_pieces_are_printed_as_they_are_written(generate, reciter, capsys, monkeypatch):
    """And Ctrl-C ends them quietly."""

    def pieces(*args, **kwargs):
        yield "one"
        assert capsys.readouterr().out == "one"
        yield " two"
        raise KeyboardInterrupt

    monkeypatch.setattr(type(reciter), "generate", pieces)
    assert generate("--prompt", "") == 130
    assert capsys.readouterr() == (" two\n", "")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--prompt", "x" * 100], "context of the model is 64 tokens"),
        (["--prompt", "a\udcff"], "half of a surrogate pair"),
        (["--prompt", "a", "--top-k", "3"], "no effect at temperature 0"),
        (["--prompt", "a", "--stop", ""], "none of them empty"),
        (["--prompt", "a", "--json", "--no-stream"], "--no-stream has no effect"),
        (["--prompt-file", "missing.txt"], "missing.txt"),
        (["--prompt-file", "empty.txt"], "the file is empty"),
        (["--prompt-file", "latin.txt"], "latin.txt is not UTF-8: byte 1"),
    ],
)
def test_errors(generate, capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "latin.txt").write_bytes(b"a\xe9")
    assert generate(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and "--debug" not in err


def test_models_of_other_kinds(tmp_path, capsys, monkeypatch):
    """A run is refused before Keras starts, a file once it is loaded."""
    (tmp_path / "model.keras").touch()
    environment = ("config", "config_hash", "data_digest", "backend", "command")
    (tmp_path / "environment.json").write_text(json.dumps(dict.fromkeys(environment)))
    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    (tmp_path / "resolved.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert main(["generate", str(tmp_path), "--prompt", "a"]) == 2
    assert "not a language model" in capsys.readouterr().err
    monkeypatch.setattr(loading, "load_model", lambda path: keras.Sequential())
    assert main(["generate", str(tmp_path / "model.keras"), "--prompt", "a"]) == 2
    err = capsys.readouterr().err
    assert "not a language model" in err and "`sparse-keras predict`" in err
    assert main(["generate", str(tmp_path / "nothing"), "--prompt", "a"]) == 2
    assert "Expected the folder of a run" in capsys.readouterr().err
    assert main(["generate", "smollm2_135m", "--prompt", "a"]) == 2
    assert "Did you mean 'smollm2_135m_instruct'?" in capsys.readouterr().err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a language model, and what `train` printed."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "verses.yaml").write_text(verses.CONFIG, encoding="utf-8")
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSE_KERAS_HOME", str(folder / "cache"))
        patch.setattr(sys, "stdout", output)
        command = ["train", str(folder / "verses.yaml"), "--set", SAMPLES]
        assert main([*command, "--output", str(folder / "runs")]) == 0
        (path,) = (folder / "runs" / "verses").iterdir()
        yield path, output.getvalue()


def test_train_shows_samples_below_the_line_of_their_epoch(run):
    path, output = run
    start, first, second = output.split("after 'to be':\n")
    assert start.rstrip().splitlines()[-1].split()[0] == "1/2"
    assert first.rstrip().splitlines()[-1].split()[0] == "2/2"
    assert first.startswith("  | ") and second.startswith("  | ")
    assert f"sparse-keras generate {path} " in output
    assert "sparse-keras report" not in output and "sparse-keras predict" not in output


def test_a_run(run, capsys):
    path, _ = run
    options = ["--temperature", "1", "--seed", "3", "--max-new-tokens", "8"]
    expected = sparse_keras.load_model(path).generate("存", 8, 1.0, seed=3)
    for each in (path, path / "model.keras"):
        assert main(["generate", str(each), "--prompt", "存", *options]) == 0
        assert capsys.readouterr().out == expected + "\n"


@pytest.mark.parametrize(
    "verb, arguments",
    [
        ("predict", ["x.csv"]),
        ("export", []),
        ("report", []),
    ],
)
def test_verbs_of_other_models(run, capsys, verb, arguments):
    path, _ = run
    assert main([verb, str(path), *arguments]) == 2
    err = capsys.readouterr().err
    assert "language model" in err and "sparse-keras generate" in err and "--debug" not in err
    assert sorted(path.glob("*.html")) == [] and not (path / "saved_model").exists()


def test_train_report(run, capsys):
    path, _ = run
    assert main(["train", str(path / "resolved.yaml"), "--report"]) == 2
    assert "there is no report of a language model" in capsys.readouterr().err


def test_evaluate_texts_of_the_run(run, capsys):
    path, _ = run
    assert main(["evaluate", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    written = json.loads((path / "metrics.json").read_text())
    assert found["bits_per_byte"] == pytest.approx(written["bits_per_byte"], rel=1e-5)


def test_evaluate_texts_of_a_file(run, capsys, tmp_path):
    path, _ = run
    verses = ["to be or not\n", "that is\n"]
    for number, verse in enumerate(verses):
        (tmp_path / f"{number}.txt").write_text(verse)
    (tmp_path / "2.txt").write_text(" ")
    assert main(["evaluate", str(path), "--data", str(tmp_path), "--json"]) == 0
    output, errors = capsys.readouterr()
    wanted = sparse_keras.load_model(path).evaluate(verses, return_dict=True, verbose=0)
    assert json.loads(output)["bits_per_byte"] == pytest.approx(wanted["bits_per_byte"], rel=1e-5)
    assert "Documents without text, left out: 1." in errors
    file = tmp_path / "verses.csv"
    file.write_text("verse\n" + "".join(f'"{verse}"\n' for verse in verses))
    assert main(["evaluate", str(path), "--data", str(file), "--json"]) == 2
    assert "--text-column: name the column of" in capsys.readouterr().err
    arguments = ["evaluate", str(path), "--data", str(file), "--text-column", "verse", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["bits_per_byte"] == pytest.approx(
        wanted["bits_per_byte"], rel=1e-5
    )


def test_a_published_model(tmp_path, capsys, monkeypatch):
    """A folder with a tokenizer, one of its files, or a GGUF file."""
    from sparse_keras import save_pretrained
    from sparse_keras.models import TextGenerator
    from tests.models.text.checkpoints import test_gguf as gguf

    file = tmp_path / "model.GGUF"
    gguf.write(file, gguf.arrays(), gguf.KINDS["Q8_0"], gguf.metadata() | gguf.vocabulary())
    prompt = ("--prompt", "the capital of", "--max-new-tokens", "3")
    assert main(["generate", str(file), *prompt]) == 0
    text = capsys.readouterr().out
    assert len(text) > 1 and text.endswith("\n")
    folder = tmp_path / "folder"
    save_pretrained(sparse_keras.load_pretrained(file), folder)
    monkeypatch.setattr(TextGenerator, "generate", lambda *args, **kwargs: ["new"])
    for path in (folder, folder / "model.safetensors"):
        assert main(["generate", str(path), *prompt]) == 0
        assert capsys.readouterr().out == "new\n"
    (folder / "tokenizer.json").unlink()
    assert main(["generate", str(folder), *prompt]) == 2
    assert "has no tokenizer" in capsys.readouterr().err
    (folder / "config.json").write_text('{"model_type": "lama"}')
    assert main(["generate", str(folder), *prompt]) == 2
    assert "Did you mean 'llama'" in capsys.readouterr().err
