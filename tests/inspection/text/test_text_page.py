"""The page of a model of texts."""

import re

import numpy as np

import sparse_keras
from sparse_keras.inspection.text.passages import COLOURS, select_passages
from tests.inspection.text.models import LENGTH, make_batches, make_model
from tests.support.pages import Page

HOSTILE = "<script>&\"' 5 %"


def spans(page):
    """The tokens on the page: `(expert, title, text)`."""
    return re.findall(
        r'<span class="t [^"]*"(?: data-e="(\d+)")? title="([^"]*)">(.*?)</span>', page, re.DOTALL
    )


def test_passages_have_the_experts_of_their_tokens():
    inspection = sparse_keras.inspect(make_model(), make_batches())
    page = inspection.to_html()
    checked = Page(page)
    checked.check_self_contained(page)
    tokens = inspection.tokens
    passages = select_passages(tokens)
    assert len(passages) == 2  # One of each source.
    assert "source: <b>first</b>" in checked.text and "<b>first</b>" not in page
    expected = [
        int(tokens.choices[gate.name].expert[index, 0])
        for gate in inspection.gates
        for passage in passages
        for index in passage
    ]
    found = spans(page)
    assert len(found) == len(expected)  # No character takes several tokens here.
    assert [int(expert) for expert, *_ in found] == expected
    assert page.count('name="layer"') == len(inspection.gates) == 2
    assert checked.text.count("What each expert reads") == 2
    assert "tokens that it gets more often than by chance" in str(inspection)


def test_passages_are_of_one_document_and_row():
    batches = make_batches(sources=None)
    inspection = sparse_keras.inspect(make_model(depth=2), batches)
    tokens = inspection.tokens
    passages = select_passages(tokens)
    assert len(passages) == 4
    for passage in passages:
        assert len(passage) <= LENGTH
        for values in (tokens.row, tokens.document):
            assert len(set(values[passage.start : passage.stop].tolist())) == 1
        places = tokens.place[passage.start : passage.stop]
        np.testing.assert_array_equal(np.diff(places), 1)
    assert inspection.label is None
    Page(inspection.to_html())


def test_texts_are_escaped():
    model = make_model(depth=2)
    inspection = sparse_keras.inspect(model, [HOSTILE], ["<script>"], label="<i>")
    page = inspection.to_html()
    checked = Page(page)
    checked.check_self_contained(page)
    # All of it, one character after another.
    written = "".join(text for *_, text in spans(page))
    assert "&lt;" in written and "<script" not in page
    assert HOSTILE in "".join(checked.text.split("<|endoftext|>")[1:])


def test_many_experts_and_one():
    for experts in (1, COLOURS + 3):
        model = make_model(depth=2, num_experts=experts, k=1)
        page = sparse_keras.inspect(model, make_batches()).to_html()
        checked = Page(page)
        assert ("3 others" in checked.text) == (experts > COLOURS)
        numbers = {int(expert) for expert, *_ in spans(page)}
        assert numbers == {0} if experts == 1 else len(numbers) > 1


def test_a_character_of_several_tokens_names_the_experts_of_each():
    inspection = sparse_keras.inspect(make_model(depth=2), ["é和é和"])
    (choices,) = inspection.tokens.choices.values()
    found = spans(inspection.to_html())
    assert [text for *_, text in found[1:]] == ["é", "和", "é", "和"]
    lines = [title.split("&#10;") for _, title, _ in found]
    assert [len(some) for some in lines] == [1, 2, 3, 2, 3]
    shown = [line for some in lines for line in some]
    for line, experts, weights in zip(shown, choices.expert, choices.weight, strict=True):
        pairs = zip(experts, weights, strict=True)
        assert line.endswith(", ".join(f"expert {e}: {w:.2f}" for e, w in pairs))
