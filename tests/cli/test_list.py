"""`sparse-keras list`."""

from sparse_keras.cli import main


def test_it_lists_every_config_on_one_line_into_a_pipe(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "description", "model", "data"]
    adult = next(line for line in lines if line.startswith("tabular/sparse_mlp_adult "))
    assert adult.split()[-2:] == ["sparse_mlp", "adult"]
    assert "Sixteen gated experts" in adult


def test_wildcards_and_parts_of_a_name(capsys):
    assert main(["list", "*can?er"]) == 0
    by_wildcard = capsys.readouterr().out
    assert main(["list", "cancer"]) == 0
    assert capsys.readouterr().out == by_wildcard
    assert by_wildcard.count("tabular/") == 1


def test_no_match_is_bad_input_and_names_the_nearest(capsys):
    assert main(["list", "sparse_mlp_adlt"]) == 2
    assert "tabular/sparse_mlp_adult" in capsys.readouterr().err
