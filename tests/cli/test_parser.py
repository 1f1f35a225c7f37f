"""Typing errors on the command line: what was meant."""

import pytest

from sparse_keras.cli import main
from sparse_keras.schema import load_config
from sparse_keras.schema.key_paths import key_paths, paths_of

ADULT = "tabular/sparse_mlp_adult"


def error(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["tarin"], "unknown verb 'tarin'. Did you mean 'train'?"),
        (["xyzzy"], "unknown verb 'xyzzy'. Expected one of init, list, show, "),
        (["my churn.yml"], "To train a config: sparse-keras train 'my churn.yml'"),
        (["--vers"], "unknown option --vers. Did you mean --version?"),
        # Before what is missing because of it.
        (["init", "x.csv", "--taget", "y"], "unknown option --taget. Did you mean --target?"),
        (["train", ADULT, "--outptu=x"], "unknown option --outptu. Did you mean --output?"),
        # No abbreviation: this is not the number of seeds.
        (["compare", ADULT, "--seed", "3"], "unknown option --seed. Did you mean --seeds?"),
        (["list", "--nothing"], "unknown option --nothing. `sparse-keras list --help` lists the "),
        (["evaluate", "runs/x", "-k", "3"], "unknown option -k. `sparse-keras evaluate --help`"),
        (["evaluate", "runs/x", "--part", "tst"], "got 'tst'. Did you mean 'test'?"),
        (["train", "a.yaml", "b.yaml"], "unexpected argument 'b.yaml'. `sparse-keras train --help"),
        (["train", ADULT, "--set", "a=1", "b=2"], "at a time: --set a=1 --set b=2"),
        (["predict", "runs/x", "x.csv", "--keep", "a", "b c"], "--keep a --keep 'b c'"),
    ],
)
def test_what_was_meant(arguments, message, capsys):
    assert message in error(arguments, capsys)


@pytest.mark.parametrize(
    "arguments, settings",
    [
        ([ADULT, "--epochs", "3"], "training.epochs=3"),
        ([ADULT, "--epoch=3"], "training.epochs=3"),
        (["--epochs", "3", ADULT], "training.epochs=3"),
        ([ADULT, "--batch-size", "64"], "training.batch_size=64"),
        ([ADULT, "--learning-rate", "1e-3"], "optimizer.learning_rate=1e-3"),
        ([ADULT, "--lr", "1e-3"], "optimizer.learning_rate=1e-3"),
        ([ADULT, "--k", "1"], "model.router.k=1"),
        ([ADULT, "-k", "1"], "model.router.k=1"),
        ([ADULT, "--k", "--debug"], "model.router.k=VALUE"),
        ([ADULT, "--training.epochs", "3"], "training.epochs=3"),
        ([ADULT, "--router-k", "1"], "model.router.k=1"),
        ([ADULT, "--optimizer", "sgd"], "optimizer.type=sgd"),
        ([ADULT, "--num_expert", "3"], "model.experts.num_experts=3"),
        # Of a section that the config does not have.
        ([ADULT, "--warmup-epochs", "3"], "optimizer.schedule.warmup_epochs=3"),
        # Without a config, all that have the key.
        (
            ["no.yaml", "--epochs", "3"],
            "training.epochs=3 or --set training.checkpoint_every.epochs=3",
        ),
    ],
)
def test_an_option_that_is_a_key_of_the_config(arguments, settings, capsys):
    message = error(["train", *arguments], capsys)
    assert message.endswith(f"--set changes a value of the config: --set {settings}")


def test_negative_numbers_and_texts_are_values(capsys):
    assert main(["show", "tabular/sparse_mlp", "--seed", "-1"]) == 2
    assert "training.seed: expected a number greater than or equal to 0" in capsys.readouterr().err


def test_paths_of_a_config():
    config = load_config(ADULT)
    paths = {".".join(path) for path in key_paths(config)}
    assert {"version", "training.epochs", "model.router.k"} <= paths
    assert "model.router.threshold_decay" not in paths
    assert paths < {".".join(path) for path in key_paths()}
    assert paths_of("nothing") == []
    assert paths_of("dropout", config) == ["model.dropout", "model.experts.dropout"]
