"""The table, the picture and the page."""

import html.parser
import re

import keras
import numpy as np
import pytest
from rich.console import Console

import sparse_keras
from sparse_keras.layers import DenseExperts, MixtureOfExperts, MultiGateMixtureOfExperts

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


class Page(html.parser.HTMLParser):
    """Checks that tags are closed, and collects tags and text."""

    VOID = ("meta", "link", "rect", "line", "wbr")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        self.text = self.text.replace("\xa0", " ")
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in self.VOID:  # A rect with a title has an end.
            return
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


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
    # Nothing that is fetched or runs; names are text.
    assert not {"script", "img", "iframe", "object", "b"} & set(names) - {"b"}
    assert NASTY in page.text and NASTY not in text
    addresses = [a.get(key) for _, a in page.tags for key in ("href", "src") if a.get(key)]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"https?://|url\(|@import", text)
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    # For small screens and for those who cannot see them.
    assert any(a.get("name") == "viewport" for _, a in page.tags)
    assert "prefers-color-scheme: dark" in text
    assert all(a.get("aria-label") for tag, a in page.tags if tag == "svg")


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
    assert "No token came here." in inspection.to_html() and str(inspection)
    inspection.plot()
