"""Names of gates: each differs, and a loaded model has those of the model that was saved."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.inspection.gate_names import gate_names
from sparse_keras.layers import DenseExperts, MixtureOfExperts, TopKRouter
from sparse_keras.layers.mixtures.gated_layer import gated_layers
from tests.inspection.text.models import make_batches, make_model
from tests.models.text.test_text_classifier import make as make_classifier


def names_of(model):
    return list(gate_names(model, gated_layers(model)).values())


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


def test_each_block_of_a_loaded_model_has_its_own_routing(tmp_path):
    model, batches = make_model(depth=2, every=1), make_batches()
    loaded = reloaded(model, tmp_path)
    inspections = [sparse_keras.inspect(one, batches) for one in (model, loaded)]
    names = [f"causal_lm/block_{number}/mixture" for number in range(2)]
    for inspection in inspections:
        assert [gate.name for gate in inspection.gates] == list(inspection.tokens.choices) == names
    x, _, _ = batches.rows_in_order(range(batches.num_examples - 1))
    with sparse_keras.routing.record(loaded) as recording:
        loaded(x, training=False)
    count = x["token_ids"].size
    first = []
    for name, gate in zip(names, recording.gates, strict=True):
        (call,) = gate.calls
        best = call["expert_index"][np.arange(count), call["weight"].argmax(axis=1)]
        for inspection in inspections:
            np.testing.assert_array_equal(inspection.tokens.choices[name].expert[:count, 0], best)
        first.append(best)
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("every", [1, 2])
def test_a_loaded_language_model(tmp_path, wrapped, every):
    model = make_model(depth=2, every=every)
    model = model if wrapped else model.core
    expected = [f"causal_lm/block_{number}/mixture" for number in range(every - 1, 2)]
    assert names_of(model) == expected
    assert names_of(reloaded(model, tmp_path)) == expected


def test_a_loaded_classifier(tmp_path):
    model = make_classifier(depth=2)
    expected = ["block_0/mixture", "block_1/mixture"]
    assert names_of(model) == names_of(reloaded(model, tmp_path)) == expected


def test_functional_models(tmp_path):
    def inner(name):
        inputs = keras.Input((3,))
        outputs = MixtureOfExperts(DenseExperts(2, 3), name="moe")(inputs)
        return keras.Model(inputs, outputs, name=name)

    assert names_of(inner("first")) == ["moe"]
    inputs = keras.Input((3,))
    model = keras.Model(inputs, inner("second")(inner("first")(inputs)), name="whole")
    expected = ["whole/first/moe", "whole/second/moe"]
    assert names_of(model) == names_of(reloaded(model, tmp_path)) == expected


def test_gates_of_tasks():
    layer = sparse_keras.layers.MultiGateMixtureOfExperts(
        DenseExperts(2, 3), {"a": TopKRouter(k=1), "b": TopKRouter(k=1)}, name="shared"
    )
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(inputs))
    assert names_of(model) == ["shared/a", "shared/b"]
