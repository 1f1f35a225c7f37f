"""`sparse-keras summary`: the numbers in its tables."""

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.models import active_params, flops_per_example, total_params

CONFIG = "tabular/sparse_mlp_breast_cancer"


def rows_of(text):
    return {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}


def test_totals_are_those_of_the_model(capsys):
    assert main(["summary", CONFIG, "--set", "model.stem=32"]) == 0
    told = capsys.readouterr().out
    config = sparse_keras.load_config(CONFIG, ["model.stem=32"])
    model = sparse_keras.build_model(config)
    assert told.startswith(f"{CONFIG}, hash {config.hash[:12]}\n")
    rows = rows_of(told)
    numbers = (total_params(model), active_params(model), flops_per_example(model))
    assert rows["total"][1:] == [f"{number:,}" for number in numbers]
    assert rows["stem"][1:5] == ["Dense", "batch", "x", "32"]
    stem = model.get_layer("stem")
    assert rows["stem"][5:] == [
        f"{n:,}" for n in (stem.count_params(),) * 2 + (2 * stem.kernel.shape[0] * 32,)
    ]


def test_memory_counts_the_optimizers_variables(capsys):
    model = sparse_keras.build_model(sparse_keras.load_config(CONFIG))
    weights = 4 * model.count_params() / 2**20
    for optimizer, slots in (("adam", 2), ("sgd", 0)):
        assert main(["summary", CONFIG, "--set", f"optimizer={{type: {optimizer}}}"]) == 0
        rows = rows_of(capsys.readouterr().out)
        assert rows["weights"][-1] == f"{weights:.1f}"
        assert rows["variables"][-1] == f"{slots * weights:.1f}"
        assert rows["training,"][-1] == f"{(2 + slots) * weights:.1f}"
    assert main(["summary", CONFIG, "--set", "optimizer=null"]) == 0
    assert "training" not in rows_of(capsys.readouterr().out.replace("test rows", ""))


def test_a_base_has_no_network(capsys):
    assert main(["summary", "tabular/sparse_mlp"]) == 2
    assert "data" in capsys.readouterr().err


def test_axes_of_any_size_have_names():
    from sparse_keras.cli.summary import _shape

    assert _shape((None, None, 128)) == "batch x length x 128"
    assert _shape((None, 4, 128)) == "batch x 4 x 128"
