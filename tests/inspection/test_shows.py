"""The table, the picture and the page."""

import re

import keras
import numpy as np
import pytest
from rich.console import Console

import sparse_keras
from sparse_keras._internal.pages.style import STYLE
from sparse_keras.layers import DenseExperts, MixtureOfExperts, MultiGateMixtureOfExperts
from tests.support.pages import Page

NASTY = '<script>alert("&")</script>'


@pytest.fixture(scope="module")
def inspection():
    inputs = keras.Input((8,))
    x = MixtureOfExperts(DenseExperts(6, 8), k=2, name="first")(inputs)
    x = MixtureOfExperts(DenseExperts(70, 8), k=3, name="many")(x)
    gates = {"a": "dense", "b": "top_k"}
    x = MultiGateMixtureOfExperts(DenseExperts(4, 8), gates, name="gates")(x)
    model = keras.Model(inputs, x, name="toy")
    # By the first feature, to expert 0 or to expert 1.
    kernel = np.zeros((8, 6), "float32")
    kernel[0, :2] = 9.0, -9.0
    model.get_layer("first").router.kernel.assign(kernel)
    x = np.random.default_rng(0).normal(size=(500, 8)).astype("float32")
    labels = np.where(x[:, 0] > 0, NASTY, "[bold]plain[/bold]")
    return sparse_keras.inspect(model, x, labels, data="rows & <b>", label="kind")


def test_page(inspection, tmp_path):
    path = tmp_path / "page.html"
    assert inspection.to_html(path) == path
    text = path.read_text(encoding="utf-8")
    assert text == inspection.to_html()
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    for wanted in ("h1", "svg", "table", "figcaption", "title"):
        assert wanted in names
    for gate in inspection.gates:
        assert gate.name in page.text
    for verdict in inspection.summary():
        assert verdict.text in page.text
    assert NASTY in page.text and NASTY not in text
    page.check_self_contained(text)
    # For small screens and for those who cannot see them.
    assert any(a.get("name") == "viewport" for _, a in page.tags)
    assert "prefers-color-scheme: dark" in text
    assert all(a.get("aria-label") for tag, a in page.tags if tag == "svg")


def test_page_for_keyboards_and_screen_readers(inspection):
    page = Page(inspection.to_html())
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    # No level is left out on the way down.
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    scrolls = [a for tag, a in page.tags if a.get("class") == "scroll"]
    assert len(scrolls) > 6
    for attributes in scrolls:
        assert attributes["tabindex"] == "0" and attributes["role"] == "region"
        assert attributes["aria-label"]
    heads = [a for tag, a in page.tags if tag == "th"]
    assert {a.get("scope") for a in heads} == {"col", "row"}
    pairs, *_ = [a["aria-label"] for tag, a in page.tags if a.get("class") == "grid"]
    gate = inspection["first"]
    i, j = np.unravel_index(np.nanargmax(np.tril(gate.coactivation, -1)), (6, 6))
    assert f"{gate.coactivation[i, j]:.1f} times as often as by chance: expert {j} and" in pairs


def test_long_names_break_where_they_have_parts():
    name = "a_layer_of_a_very_long_name_in_block_0"
    x = inputs = keras.Input((3,))
    for one in (name, "a_layer"):
        x = MixtureOfExperts(DenseExperts(4, 3), name=one)(x)
    text = sparse_keras.inspect(keras.Model(inputs, x), np.ones((4, 3), "float32")).to_html()
    assert f"<h2>{name.replace('_', '_<wbr>')}</h2>" in text
    assert "<h2>a_layer</h2>" in text  # It fits a line.


def test_pairs_are_told_in_numbers():
    """Experts 0 and 1 serve the same tokens: by chart, and by table where there are too many."""
    for count in (6, 60):
        inputs = keras.Input((3,))
        layer = MixtureOfExperts(DenseExperts(count, 3), k=2)
        model = keras.Model(inputs, layer(inputs))
        kernel = np.random.default_rng(1).normal(size=(3, count))
        kernel[0, :2], kernel[0, 2:] = 30.0, 0.0
        layer.router.kernel.assign(kernel)
        x = np.random.default_rng(0).normal(size=(1000, 3)).astype("float32")
        gate = sparse_keras.inspect(model, x)[0]
        text = sparse_keras.inspect(model, x).to_html()
        row = (
            f'<td class="text">experts 0 and 1</td><td>{gate.coactivation[0, 1]:.1f}</td>'
            f"<td>{gate.coactivation_tokens[0, 1]:,.0f}</td>"
        )
        assert row in text
        assert ('class="grid"' in text) == (count == 6)


def luminance(color):
    parts = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], parts))


def contrast(one, other):
    """As WCAG 2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def themes():
    light, dark, paper = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    pattern = re.compile(r"--([a-z-]+): (#\w{6}|\d+%)")
    themes = {"light": light, "dark": dark, "paper": paper}
    return {name: dict(pattern.findall(theme)) for name, theme in themes.items()}


@pytest.mark.parametrize("theme", ["light", "dark", "paper"])
def test_everything_can_be_read(theme):
    """Text has a contrast of 4.5, as WCAG AA asks for, on what it stands on; marks one of 3."""
    values = themes()[theme]
    colors = {
        name: np.array([int(value[n : n + 2], 16) / 255 for n in (1, 3, 5)])
        for name, value in values.items()
        if value[0] == "#"
    }
    assert themes()["light"].keys() == values.keys() and len(colors) == 9
    for ground in ("bg", "card"):
        for name in ("text", "muted", "accent", "good", "bad"):
            assert contrast(colors[name], colors[ground]) >= 4.5, (name, ground)
    assert contrast(colors["less"], colors["card"]) >= 3
    assert contrast(colors["accent"], colors["card"]) >= 3
    heat = float(values["heat"][:-1]) / 100
    for rate in np.linspace(0, 1, 21):
        cell = rate * heat * colors["accent"] + (1 - rate * heat) * colors["card"]
        assert contrast(colors["text"], cell) >= 4.5, rate


def test_page_of_numbers(inspection):
    """The table of the load has the numbers of the arrays."""
    text = inspection.to_html().replace("&nbsp;", " ")
    gate = inspection["first"]
    for name, load, weight in zip(gate.expert_names, gate.load, gate.importance, strict=True):
        row = f"<td>{name}</td><td>{100 * load:.1f} %</td><td>{100 * weight:.1f} %</td>"
        assert row in text
    assert re.search(r"\d, .*times its share", text)


def test_table(inspection):
    text = str(inspection)
    for expected in ("toy on 500 rows & <b>", "first", "many", "gates/b", "[bold]plain[/bold]"):
        assert expected in text
    assert max(map(len, text.splitlines())) <= 100
    narrow = Console(width=50, record=True, file=open("/dev/null", "w"))
    narrow.print(inspection)
    assert "gates/b" in narrow.export_text()


def test_plot(inspection, tmp_path):
    pytest.importorskip("matplotlib")
    figure = inspection.plot()
    figure.savefig(tmp_path / "plot.png")
    bars = figure.axes[0].patches[:6]
    np.testing.assert_allclose([bar.get_height() for bar in bars], 100 * inspection[0].load)
    one = inspection.plot("gates/a")
    assert len([axis for axis in one.axes if axis.has_data()]) == 3  # Load, decision, labels.


def test_unknown_gate(inspection):
    with pytest.raises(KeyError, match="The gates are 'first'"):
        inspection["third"]


def test_a_model_of_one_expert():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, MixtureOfExperts(DenseExperts(1, 2), k=1)(inputs))
    inspection = sparse_keras.inspect(model, np.ones((1, 3), "float32"), ["a"])
    assert inspection.healthy
    assert "expert 0" in inspection.to_html() and str(inspection)
    inspection.plot()


def test_a_gate_without_tokens():
    inputs = keras.Input((4, 3))
    x = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, MixtureOfExperts(DenseExperts(3, 2), k=1, name="moe")(x))
    inspection = sparse_keras.inspect(model, np.zeros((2, 4, 3), "float32"), [1, 2])
    assert inspection["moe"].tokens == 0
    assert "No token reached this gate." in inspection.to_html() and str(inspection)
    inspection.plot()
