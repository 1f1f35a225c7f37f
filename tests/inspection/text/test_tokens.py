"""inspect of models of texts: what it counts is what a loop counts."""

import collections

import numpy as np
import pytest

import sparse_keras
from sparse_keras.inspection.association import MIN_EXAMPLES
from sparse_keras.tasks.next_token import IGNORED
from tests.data.text import few_texts
from tests.inspection.text.models import LENGTH, SOURCES, TOKENIZER, make_batches, make_model

LONG = "vocabulary_size: 300, max_length: 40"


def counted(model, batches):
    """Runs the model on one row at a time. Returns the tokens in their order, each a dict."""
    found, document = [], -1
    for row in range(batches.num_examples):
        x, y, _ = batches.rows_in_order([row])
        with sparse_keras.routing.record(model) as recording:
            model(x, training=False)
        for place in range(LENGTH):
            if y[0, place] == IGNORED:
                continue
            token = int(x["token_ids"][0, place])
            document += token == TOKENIZER.end_id
            experts = []
            for gate in recording.gates:
                (call,) = gate.calls
                pairs = zip(call["weight"][place], call["expert_index"][place], strict=True)
                experts.append([(int(e), float(w)) for w, e in sorted(pairs, reverse=True)])
            found.append(
                {"token": token, "row": row, "place": place, "document": document}
                | {"experts": experts}
            )
    return found


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"every": 1, "depth": 2, "k": 2},
        pytest.param({"every": 1, "depth": 2, "k": 1}, marks=pytest.mark.slow),
        pytest.param({"depth": 2, "num_experts": 1, "k": 1}, marks=pytest.mark.slow),
    ],
)
def test_tables_equal_those_of_a_loop(options):
    model, batches = make_model(**options), make_batches()
    inspection = sparse_keras.inspect(model, batches, batch_size=7)
    expected = counted(model, batches)
    tokens = inspection.tokens
    assert len(expected) == len(tokens) == tokens.total == len(batches.tokens)
    assert inspection.label == "source"
    assert tokens.labels.tolist() == [SOURCES[token["document"]] for token in expected]
    assert len(inspection.gates) == len(expected[0]["experts"])

    for number, gate in enumerate(inspection.gates):
        use, of_token, of_source = collections.Counter(), collections.Counter(), {}
        rows = collections.defaultdict(set)
        for token in expected:
            source = of_source.setdefault(
                SOURCES[token["document"]], np.zeros(gate.num_experts + 1)
            )
            of_token[token["token"]] += 1
            rows[token["token"]].add(token["row"])
            source[-1] += 1
            for expert, _ in token["experts"][number]:
                use[token["token"], expert] += 1
                source[expert] += 1
        # Experts and tokens.
        load = sum(source[:-1] for source in of_source.values())
        np.testing.assert_allclose(gate.load, load / load.sum())
        shown = {tokens.shown(token): token for token in of_token}
        for finding in gate.token_findings:
            token = shown[finding.label]
            assert finding.tokens == of_token[token]
            assert finding.share == pytest.approx(use[token, finding.expert] / of_token[token])
            assert finding.base_share == pytest.approx(load[finding.expert] / len(expected))
            assert finding.examples == len(rows[token]) >= MIN_EXAMPLES
        excess = [one.tokens * (one.share - one.base_share) for one in gate.token_findings]
        assert excess == sorted(excess, reverse=True)
        assert bool(gate.token_findings) == (gate.num_experts > 1)
        # Experts and sources.
        assert gate.labels == sorted(of_source)
        assert gate.label_tokens.tolist() == [of_source[label][-1] for label in gate.labels]
        for label, rate in zip(gate.labels, gate.rate, strict=True):
            np.testing.assert_allclose(rate, of_source[label][:-1] / of_source[label][-1])
        # One by one.
        frame = tokens.to_frame(gate.name)
        for name in ("row", "place", "document"):
            assert frame[name].tolist() == [token[name] for token in expected]
        assert frame["token_id"].tolist() == [token["token"] for token in expected]
        for row, token in zip(frame.itertuples(), expected, strict=True):
            (first, weight), *_ = token["experts"][number]
            assert row.experts == tuple(expert for expert, _ in token["experts"][number])
            assert row.expert == first and row.weight == pytest.approx(weight, rel=1e-4)
            assert row.token == tokens.shown(token["token"])
        assert tokens.to_frame(number).equals(frame)


def test_a_limit_of_tokens():
    model, batches = make_model(depth=2), make_batches()
    whole = sparse_keras.inspect(model, batches).tokens.to_frame()
    inspection = sparse_keras.inspect(model, batches, max_tokens=5 * LENGTH)
    some = inspection.tokens.to_frame()
    assert inspection.examples == 5 and len(some) == 5 * LENGTH
    rows = batches.num_examples
    assert some["row"].unique().tolist() == [number * rows // 5 for number in range(5)]
    columns = ["row", "place"]
    both = some.merge(whole, on=columns, suffixes=("", "_of_all"), how="left", validate="1:1")
    for name in ("token", "document", "label", "experts"):
        assert both[name].tolist() == both[f"{name}_of_all"].tolist()
    assert f"80 of {len(whole):,} tokens were read, in 5 rows spread evenly" in str(inspection)
    (one,) = sparse_keras.inspect(model, batches, max_tokens=1).tokens.to_frame()["row"].unique()
    assert one == 0


def test_labels_of_rows_and_tokens():
    model, batches = make_model(depth=2), make_batches()
    rows = np.array(["odd" if row % 2 else "even" for row in range(batches.num_examples)])
    tokens = sparse_keras.inspect(model, batches, rows, max_tokens=5 * LENGTH).tokens
    assert tokens.labels.tolist() == rows[tokens.row].tolist()
    places = np.tile(np.arange(LENGTH), (batches.num_examples, 1))
    tokens = sparse_keras.inspect(model, batches, places).tokens
    assert tokens.labels.tolist() == tokens.place.tolist()


def test_texts_and_labels():
    model, texts = make_model(depth=2), ["to be or not", "存在", ""]
    inspection = sparse_keras.inspect(model, texts, ["English", "Chinese", None])
    tokens = inspection.tokens
    mask = model.preprocessor.encode(texts)["mask"]
    assert len(tokens) == tokens.total == mask.sum() and inspection.label == "label"
    frame = tokens.to_frame()
    assert frame.groupby("row")["token_id"].count().tolist() == mask.sum(axis=1).tolist()
    assert tokens.labels.tolist() == np.repeat(["English", "Chinese", None], mask.sum(1)).tolist()
    assert inspection[0].labels == ["Chinese", "English"]
    # Alone, a text has the same experts as beside longer ones.
    alone = sparse_keras.inspect(model, [texts[1]]).tokens.to_frame()
    beside = frame[frame["row"] == 1]
    assert alone["experts"].tolist() == beside["experts"].tolist()
    assert "label" not in alone
    assert not inspection[0].token_findings  # So few texts say nothing.


@pytest.mark.parametrize("classes", [("animals", "colours", "numbers"), ("animals", "colours")])
def test_classes_of_labelled_texts(tmp_path, monkeypatch, classes):
    monkeypatch.chdir(tmp_path)
    texts, labels = few_texts.texts_of(classes, longest=5)
    config = few_texts.config_of(few_texts.write(tmp_path / "few.tsv", texts, labels), tokens=LONG)
    data = sparse_keras.load_data(config)
    core = sparse_keras.build_model(config, data)
    model = sparse_keras.models.preprocessed(core, data.preprocessor)
    inspection = sparse_keras.inspect(model, data.test, "targets", label="topic")
    frame = inspection.tokens.to_frame()
    assert inspection.label == "topic" and inspection[0].labels == list(classes)
    # The order is that of the batches.
    expected = {row: label for row, label in enumerate(data.labels["test"])}
    assert dict(frame.groupby("row")["label"].first()) == expected
    assert frame.groupby("row")["token_id"].count().tolist() == [len(r) for r in data.test.rows]
    same = sparse_keras.inspect(model, data.raw_test, data.labels["test"])
    np.testing.assert_allclose(same[0].rate, inspection[0].rate)
    # Of a dataset, whole batches are read.
    few = sparse_keras.inspect(model, data.test, "targets", max_tokens=1)
    assert few.examples == min(8, len(data.test.rows))
    listed = sparse_keras.inspect(model, iter([data.test[0]]), "targets")
    assert listed.tokens.to_frame().equals(few.tokens.to_frame())


def test_errors():
    model, batches = make_model(depth=2), make_batches()
    with pytest.raises(ValueError, match="must be a positive integer. Received: 0"):
        sparse_keras.inspect(model, batches, max_tokens=0)
    with pytest.raises(ValueError, match="a label for each of 2 texts.*shape .3,"):
        sparse_keras.inspect(model, ["to", "be"], ["a", "b", "c"])
    with pytest.raises(ValueError, match="'targets' is for a dataset"):
        sparse_keras.inspect(model, ["to"], "targets")
    with pytest.raises(ValueError, match="Expected texts, or their token ids"):
        sparse_keras.inspect(model, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="targets of TokenBatches are the next tokens"):
        sparse_keras.inspect(model, batches, "targets")
    batches.sources = SOURCES[1:]
    with pytest.raises(ValueError, match="a source for each of 72 documents. Received: 71"):
        sparse_keras.inspect(model, batches)
    frame = sparse_keras.inspect(model, ["to"]).tokens.to_frame
    with pytest.raises(KeyError, match="The gates of tokens are 'causal_lm/block_1/mixture'"):
        frame("nothing")
    with pytest.raises(ValueError, match="`max_tokens` is for models of texts"):
        sparse_keras.inspect(model.core, np.zeros((2, 3), "int32"), max_tokens=3)
