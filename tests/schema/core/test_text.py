"""YAML text -> values with positions: what is read, what is refused, and how fast."""

import time

import pytest

from sparse_keras.schema.core.errors import ConfigError, Source
from sparse_keras.schema.core.text import MAX_CHARACTERS, parse, read_overrides
from tests.support.timing import limit


def read(text):
    return parse(text, Source.of_text("x.yaml", text))


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-3", 0.001),
        ("1_000", "1_000"),
        ("007", 7),
        ("0x1F", 31),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("'true'", "true"),
        ("2020-01-01", "2020-01-01"),
        ("-.inf", float("-inf")),
        ("9" * 5000, "9" * 5000),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_follow_the_yaml_1_2_core_schema(text, value):
    read_value = read(f"key: {text}")[0].plain()["key"]
    assert read_value == value and type(read_value) is type(value)


def test_every_value_and_key_knows_its_position():
    root, _ = read("a: 1\nb:\n  c: {d: 2}\n")
    node = root.value["b"].value["c"].value["d"]
    assert (node.key.line, node.key.column) == (3, 7)
    assert (node.mark.line, node.mark.column) == (3, 10)


def test_duplicate_keys_are_reported_with_both_lines_and_the_first_is_kept():
    root, problems = read("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert root.plain() == {"a": {"b": 1, "c": 2}}
    assert str(problems[0]).startswith("x.yaml:4:3: a.b: duplicate key, first given on line 2\n")


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: !!python/object/apply:os.system ['true']", r"x.yaml:1:4: tags"),
        ("a: !x 1", r"x.yaml:1:4: tags"),
        ("a: &x 1\nb: *x", r"x.yaml:1:4: anchors"),
        ("a: *x", r"x.yaml:1:4: anchors"),
        ("&x a: 1", r"x.yaml:1:1: a key must be a plain word"),
        ("? [a]\n: 1", r"x.yaml:1:3: a key must be a plain word"),
        ("%YAML 1.1\n---\na: 1", r"x.yaml:2:1: directives"),
        ("a: 1\n---\nb: 2", r"x.yaml:2:1: a second document"),
        ("a:\n\tb: 1", r"x.yaml:2:1: not valid YAML: found character '\\t'"),
        ("a: 'b", r"x.yaml:1:6: not valid YAML"),
        ("a: \x00", r"not valid YAML"),
        ("[" * 40_000, r"nested more than 20 levels"),
        pytest.param("{a: " * 10_000, r"nested more than 20 levels", marks=pytest.mark.slow),
        pytest.param("- " * 20_000, r"nested more than 20 levels", marks=pytest.mark.slow),
        ("x" * (MAX_CHARACTERS + 1), r"a config has at most"),
    ],
)
def test_what_a_config_has_no_use_for_is_refused_quickly(text, message):
    start = time.process_time()
    with pytest.raises(ConfigError, match=message):
        read(text)
    assert time.process_time() - start < limit(2)


def test_a_long_line_is_cropped_around_the_caret():
    with pytest.raises(ConfigError) as caught:
        read("{" + "a: 1, " * 500 + "b: &x 1}")
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 200
    assert shown[caret.index("^")] == "&"


def test_overrides_build_one_tree_in_any_order():
    overrides = ["a.b.c=1", "a.d={e: two}", "f=[1, 2]", "a.b.g="]
    expected = {"a": {"b": {"c": 1, "g": None}, "d": {"e": "two"}}, "f": [1, 2]}
    assert read_overrides(overrides).plain() == expected
    assert read_overrides(reversed(overrides)).plain() == expected


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["a"], r"--set a: expected PATH=VALUE"),
        (["=1"], r"expected PATH=VALUE"),
        (["a..b=1"], r"expected PATH=VALUE"),
        (["a =1"], r"expected PATH=VALUE"),
        (["a.b=[1"], r"^--set a\.b: not valid YAML"),
        (["a.b={c: 1, c: 2}"], r"^--set a\.b: duplicate key"),
        (["a=1", "a=2"], r"^--set a: set twice"),
        (["a.b=1", "a=2"], r"^--set a: set twice"),
        (["a=" + "x" * (MAX_CHARACTERS + 1)], r"a config has at most"),
    ],
)
def test_overrides_that_cannot_be_read(overrides, message):
    with pytest.raises(ConfigError, match=message):
        read_overrides(overrides)
