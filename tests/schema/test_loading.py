"""`load_config`: errors with positions and suggestions, `extends`, overrides."""

import textwrap

import pytest

import sparse_keras
from sparse_keras.schema import ConfigError

BASE = """\
version: 1
data: {type: adult}
model:
  type: sparse_mlp
  experts: {type: mlp, num_experts: 4, hidden_dim: 8}
  router: {type: top_k, k: 2, jitter: 0.1}
optimizer: {type: adam}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Writes `base.yaml` and `mine.yaml` into the working directory and loads the latter."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)

    def load(text, *overrides):
        (tmp_path / "mine.yaml").write_text(textwrap.dedent(text))
        return sparse_keras.load_config("mine.yaml", overrides)

    return load


def errors(load, *args):
    with pytest.raises(ConfigError) as caught:
        load(*args)
    return str(caught.value)


def test_all_errors_come_at_once_with_position_path_line_and_caret(load):
    text = """\
    version: 1
    data:
      typ: adult
    model:
      type: sparse_mlp
      stem: two
      experts: {type: dense, num_expert: 4, units: 8, activation: rleu}
      router:
        type: topk
    optimiser: {type: adam}
    training: {epochs: 0, batch_size: 2.5, early_stopping: 3}
    training: {}
    """
    assert errors(load, text) == textwrap.dedent(
        """\
        mine.yaml:3:3: data.typ: unknown key (did you mean 'type'?)
            3 |   typ: adult
              |   ^
        mine.yaml:6:9: model.stem: expected an integer, got 'two'
            6 |   stem: two
              |         ^
        mine.yaml:7:26: model.experts.num_expert: unknown key (did you mean 'num_experts'?)
            7 |   experts: {type: dense, num_expert: 4, units: 8, activation: rleu}
              |                          ^
        mine.yaml:7:63: model.experts.activation: expected one of 'celu', 'elu', 'exponential', \
'gelu', 'hard_sigmoid', 'hard_silu', 'hard_tanh', 'leaky_relu', 'linear', 'mish', 'relu', 'relu6', \
'selu', 'sigmoid', 'silu', 'softplus', 'softsign', 'squareplus', 'tanh', got 'rleu' \
(did you mean 'relu'?)
            7 |   experts: {type: dense, num_expert: 4, units: 8, activation: rleu}
              |                                                               ^
        mine.yaml:9:11: model.router.type: expected one of 'top_k', 'cosine', 'threshold', \
'relu', 'dense', 'uniform', 'expert_choice', 'dselect_k', 'hierarchical', \
'sinkhorn', 'balanced', got 'topk' (did you mean 'top_k'?)
            9 |     type: topk
              |           ^
        mine.yaml:10:1: optimiser: unknown key (did you mean 'optimizer'?)
           10 | optimiser: {type: adam}
              | ^
        mine.yaml:11:20: training.epochs: expected a number greater than or equal to 1, got 0
           11 | training: {epochs: 0, batch_size: 2.5, early_stopping: 3}
              |                    ^
        mine.yaml:11:35: training.batch_size: expected an integer, got 2.5
           11 | training: {epochs: 0, batch_size: 2.5, early_stopping: 3}
              |                                   ^
        mine.yaml:11:56: training.early_stopping: expected a mapping, got 3
           11 | training: {epochs: 0, batch_size: 2.5, early_stopping: 3}
              |                                                        ^
        mine.yaml:12:1: training: duplicate key, first given on line 11
           12 | training: {}
              | ^
        10 errors"""
    )


@pytest.mark.parametrize(
    "override, message",
    [
        ("model.experts.num_expert=4", "unknown key (did you mean 'num_experts'?)"),
        ("model.zzz=4", "unknown key; valid keys: type, embedding_dim, "),
        ("extends=tabular/sparse_mlp", "unknown key"),
        ("training.epochs=three", "expected an integer, got 'three'"),
        ("training.epochs=true", "expected an integer, got true"),
        ("training.epochs=1e99", "expected an integer, got 1e+99"),
        ("training.seed=", "expected an integer, got null"),
        ("training=[1]", "expected a mapping, got a list"),
        ("model.dropout=.nan", "expected a finite number, got nan"),
        ("model.dropout=1e999", "expected a finite number, got inf"),
        ("model.dropout=-.inf", "expected a finite number, got -inf"),
        ("model.dropout=1.0", "expected a number less than 1, got 1.0"),
        ("model.experts.num_experts=99999999999", "less than or equal to 2147483647"),
        ("data.type=csv", "needs"),
        ("version=2", "expected 1, got 2"),
        ("model.router.k=5", "5 is more than model.experts.num_experts, which is 4"),
        ("model.capacity_factor=0", "expected a number greater than 0, got 0"),
    ],
)
def test_an_override_is_checked_like_the_file_and_named(load, override, message):
    path = override.split("=")[0]
    if message == "needs":  # the new type lacks keys: the error names those
        assert errors(load, BASE, override) == (
            "--set data.path: required key is missing\n"
            "--set data.target: required key is missing\n2 errors"
        )
    else:
        assert f"--set {path}: " in errors(load, BASE, override)
        assert message in errors(load, BASE, override)


def test_overrides_merge_and_a_changed_type_replaces_its_block(load):
    config = load(BASE, "training.early_stopping.patience=7", "model.router={type: relu}")
    assert config.training.early_stopping.patience == 7
    assert config.model.router.kwargs() == {
        "k": 2,
        "max_experts": None,
        "l1_initial": 1e-8,
        "l1_multiplier": 1.05,
        "trainable": True,
    }
    assert load(BASE, "model.router.k=1").model.router.jitter == 0.1
    swapped = load(BASE, "model.router.k=3", "model.router.type=relu")
    assert (swapped.model.router.type, swapped.model.router.k) == ("relu", 3)


def test_rules_between_keys_point_at_the_key_that_is_wrong(load):
    text = BASE.replace("k: 2, jitter: 0.1", "k: 9")
    assert errors(load, text).startswith(
        "mine.yaml:6:28: model.router.k: 9 is more than model.experts.num_experts, which is 4\n"
    )


def test_a_section_without_its_type_says_which_there_are(load):
    text = BASE.replace("type: top_k, ", "")
    needs = (
        "needs a type: 'top_k', 'cosine', 'threshold', 'relu', 'dense', 'uniform', "
        "'expert_choice', 'dselect_k', 'hierarchical', 'sinkhorn', 'balanced'\n"
    )
    assert f"mine.yaml:6:11: model.router: {needs}" in errors(load, text)


def test_missing_keys_point_at_the_block_that_lacks_them(load):
    text = "version: 1\nmodel:\n  type: dense_mlp\n"
    assert errors(load, text).startswith(
        "mine.yaml:3:3: model.hidden_dim: required key is missing\n"
    )
    assert errors(load, "description: x").count("required key is missing") == 2


def test_extends_merges_mappings_and_replaces_the_rest(load):
    config = load(
        """\
        extends: base.yaml
        model:
          experts: {num_experts: 2}
          router: {type: threshold}
        optimizer: null
        """
    )
    assert config.model.experts.num_experts == 2
    assert config.model.experts.hidden_dim == 8
    assert config.model.router.kwargs()["threshold"] == 0.5
    assert config.optimizer is None
    assert config.data.type == "adult"
    assert config.name == "mine"
    assert config.source_text.startswith("extends: base.yaml")


def test_extends_a_shipped_config_by_name(load):
    config = load("extends: tabular/sparse_mlp\ndata: {type: breast_cancer}\n")
    assert config.data.type == "breast_cancer"
    assert config.model == sparse_keras.load_config("tabular/sparse_mlp").model


def test_an_error_in_a_value_of_the_parent_names_the_parents_file(load, tmp_path):
    (tmp_path / "base.yaml").write_text(BASE.replace("hidden_dim: 8", "hidden_dim: -8"))
    assert errors(load, "extends: base.yaml\ntraining: {epochs: 0}\n").startswith(
        "base.yaml:5:52: model.experts.hidden_dim: expected a number greater than or equal to 1"
    )


@pytest.mark.parametrize(
    "value, message",
    [
        ("nowhere.yaml", "no such file: nowhere.yaml"),
        ("tabular/sparse_mlq", "unknown config 'tabular/sparse_mlq'; the nearest names are tab"),
        ("../../etc/passwd", "unknown config"),
        ("[base.yaml]", "expected the name of a config"),
        ("other.yaml", "'other.yaml' itself extends 'base.yaml'"),
        ("mine.yaml", "a config cannot extend itself"),
        ("./mine.yaml", "a config cannot extend itself"),
        ("circular.yaml", "'circular.yaml' itself extends 'mine.yaml'"),
        ("a" * 5_000 + ".yaml", "aaa.yaml: File name too long"),
        ("a" * 5_000, "aaa: File name too long"),
        ("base.csv", "base.csv is a table, not a config"),
        ("empty.yaml", "the config is empty"),
    ],
)
def test_what_cannot_be_extended(load, tmp_path, value, message):
    (tmp_path / "other.yaml").write_text("extends: base.yaml\n")
    (tmp_path / "circular.yaml").write_text("extends: mine.yaml\n")
    (tmp_path / "base.csv").write_text("x,y\n1,2\n")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    text = errors(load, f"version: 1\nextends: {value}\n")
    assert message in text and len(text) < 1_000
    assert text.startswith(
        "empty.yaml:1:1: " if value == "empty.yaml" else "mine.yaml:2:10: extends: "
    )


def test_a_relative_csv_path_starts_at_the_file_that_names_it(load, tmp_path):
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "base.yaml").write_text(
        BASE.replace("type: adult", "type: csv, path: a.csv, target: y")
    )
    extending = "extends: sub/base.yaml\n"
    assert load(extending).data.path == str(folder / "a.csv")
    assert load(extending + "data: {path: b.csv}\n").data.path == str(tmp_path / "b.csv")
    assert load(extending, "data.path=c.csv").data.path == str(tmp_path / "c.csv")


@pytest.mark.parametrize(
    "reference, message",
    [
        ("tabular/sparse_mlp_adlt", "nearest names are tabular/sparse_mlp_adult, "),
        ("mine.yml", "no such file: mine.yml"),
        ("a" * 5_000 + ".yaml", "aaa.yaml: File name too long"),
        ("churn", "did you mean the file churn.yml?"),
        ("churn.csv", "with: sparse-keras init churn.csv --target COLUMN"),
        ("two words.csv.gz", "with: sparse-keras init 'two words.csv.gz' --target COLUMN"),
        ("churn.json", "churn.json is not a config; the name of a config file ends in .yaml"),
        ("runs/x/1", "runs/x/1 is the folder of a run; its config is runs/x/1/resolved.yaml. An "),
        ("runs/x/1", "goes on with: sparse-keras train --resume runs/x/1"),
        ("runs", "runs is a folder; expected a config, a file that ends in .yaml"),
        (".yaml", "unknown config '.yaml'"),
        (None, "expected the name of a config or a path that ends in .yaml or .yml, got None"),
        (["tabular/sparse_mlp"], "a path that ends in .yaml or .yml, got ['tabular/sparse_mlp']"),
        ({"version": 1}, "got a mapping; `schema.Config(**values)` makes a config from values"),
        ("../configs/tabular/sparse_mlp", "unknown config"),
        ("", "unknown config ''"),
        ("nowhere.yaml", "no such file: nowhere.yaml"),
        ("tabular/sparse_mlp.yaml", "did you mean the shipped config 'tabular/sparse_mlp'?"),
    ],
)
def test_a_reference_is_a_shipped_name_or_a_yaml_path(tmp_path, monkeypatch, reference, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "x" / "1").mkdir(parents=True)
    for name in ("churn.yml", "churn.csv", "two words.csv.gz", "churn.json"):
        (tmp_path / name).touch()
    (tmp_path / "runs" / "x" / "1" / "resolved.yaml").touch()
    with pytest.raises(ConfigError) as caught:
        sparse_keras.load_config(reference)
    assert message in str(caught.value) and len(str(caught.value)) < 1_000


@pytest.mark.parametrize("name", ["mine.yml", "mine.YAML"])
def test_other_spellings_of_the_suffix(tmp_path, name):
    (tmp_path / name).write_text(BASE)
    config = sparse_keras.load_config(tmp_path / name)
    assert config.name == "mine"
    (tmp_path / "extending.yaml").write_text(f"extends: {name}\ntraining: {{epochs: 7}}\n")
    assert sparse_keras.load_config(tmp_path / "extending.yaml").model == config.model


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "mine.yaml:1:1: the config is empty"),
        (b"- 1\n", "mine.yaml:1:1: the config does not hold a mapping"),
        (
            b"\xff\xfev\x00",
            "mine.yaml:1:1: byte 0xff is not UTF-8, and the file seems to be UTF-16; save the file "
            "as UTF-8\n    1 | \\xff\\xfev\\x00\n      | ^",
        ),
        (
            "version: 1\r\nd: é ".encode() + b"caf\xe9 x\n",
            "mine.yaml:2:9: byte 0xe9 is not UTF-8; save the file as UTF-8\n"
            "    2 | d: é caf\\xe9 x\n      |         ^",
        ),
        (
            b"\xef\xbb\xbfversion: 1\nmodel: {}\ndescription: \x1b[2J\x00 x\n",
            "mine.yaml:3:14: not valid YAML: the character U+001B is not allowed in a config\n"
            "    3 | description: \\x1b[2J\\x00 x\n      |              ^",
        ),
        (
            # U+0085 and U+2028 do not end lines in YAML 1.2, and are escaped before the caret.
            "a: \u2028\x85\n\u202eb: \x7f\n".encode(),
            "mine.yaml:2:5: not valid YAML: the character U+007F is not allowed in a config\n"
            "    2 | \\u202eb: \\x7f\n      |          ^",
        ),
    ],
)
def test_files_that_are_no_config(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        sparse_keras.load_config(tmp_path / "mine.yaml")
    assert str(caught.value).startswith(message)


def test_the_message_on_a_file_full_of_errors_is_short(load):
    text = errors(load, BASE + "".join(f"key{i}: 1\n" for i in range(500)))
    assert text.endswith("... and 480 more\n500 errors")


@pytest.mark.parametrize(
    "text",
    ['"\\x1b[31m": 1\n', 'extends: "\\x1b[31m"\n', 'extends: "\\x1b[31m.yaml"\n', "\u202eb: 1\n"],
)
def test_nothing_unprintable_is_in_a_message(load, text):
    message = errors(load, BASE + text)
    assert all(character.isprintable() or character == "\n" for character in message)
    assert "\\x1b[31m" in message or "\\u202e" in message


def test_a_long_key_is_shortened(load):
    assert len(errors(load, BASE + "k" * 20_000 + ": 1\n")) < 1_000


def test_a_preset_stands_in_place_of_what_the_base_says(load):
    base = "version: 1\nextends: tabular/sparse_mlp_breast_cancer\n"
    assert sparse_keras.load_config("tabular/sparse_mlp_breast_cancer").model.router.k == 2
    router = load(base + "model: {router: {preset: switch}}\n").model.router
    assert (router.k, router.normalize, router.jitter) == (1, False, 0.01)
    router = load(base + "model: {router: {preset: qwen3_moe, k: 3}}\n").model.router
    assert (router.k, router.normalize) == (3, True)
