"""The dispatcher, a mixture's way to its experts and back, and what replaces it."""

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import (
    DenseExperts,
    DepthSharedMixtureOfExperts,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
)
from sparse_keras.layers.mixtures.dispatcher import Dispatcher
from sparse_keras.layers.mixtures.mixture import Mixture
from sparse_keras.ops import DispatchPlan
from tests.support import reference
from tests.support.gradients import to_numpy


@dataclasses.dataclass(frozen=True)
class OneByOnePlan(DispatchPlan):
    expert_of_row: Any = None  # [M']
    row_of: Any = None  # dict from (token, choice)


class OneByOne(Dispatcher):
    """Loops over assignments in NumPy, choice by choice; the bank computes one row a call.

    It shares no code with `Dispatcher` and keeps rows in another order: what works with it uses
    nothing but the interface.
    """

    def __init__(self):
        self.calls = []

    def plan(self, expert_index, is_open, num_experts, *, capacity=None, order=None, **hints):
        assert order is None
        index = np.array(ops.convert_to_numpy(expert_index))
        opened = np.ones(index.shape, bool)
        if is_open is not None:
            opened = np.array(ops.convert_to_numpy(is_open))
        limit = np.inf if capacity is None else int(capacity)
        kept = reference.kept_assignments(index, opened, num_experts, limit)
        places = [tuple(place) for place in np.argwhere(kept)]

        def count(of):
            return np.array([(of & (index == e)).sum() for e in range(num_experts)], "int32")

        return OneByOnePlan(
            load=ops.convert_to_tensor(count(opened)),
            group_sizes=ops.convert_to_tensor(count(kept)),
            assignment=np.array([c * len(index) + n for n, c in places], "int32"),
            row=None,
            kept=ops.convert_to_tensor(kept.T),
            adds_rows=False,
            expert_of_row=[index[place] for place in places],
            row_of={place: row for row, place in enumerate(places)},
        )

    def compute(self, bank, tokens, plan, mask=None, training=None):
        self.calls.append(bank.name)
        rows = []
        for assignment, expert in zip(plan.assignment, plan.expert_of_row, strict=True):
            token = assignment % tokens.shape[0]
            sizes = np.eye(bank.num_experts, dtype="int32")[expert]
            more = {} if mask is None else {"mask": mask[token : token + 1]}
            row = bank(tokens[token : token + 1], ops.convert_to_tensor(sizes), **more)
            rows.append(to_numpy(row)[0])
        return np.array(rows)

    def collect(self, rows, plan):
        choices, tokens = plan.kept.shape
        taken = np.zeros((choices, tokens, *rows.shape[1:]), "float32")
        for (token, choice), row in plan.row_of.items():
            taken[choice, token] = rows[row]
        return ops.convert_to_tensor(taken)

    def combine(self, rows, plan, weight):
        taken = to_numpy(self.collect(rows, plan))
        weight = to_numpy(weight).T
        weight = weight.reshape(weight.shape + (1,) * (taken.ndim - 2))
        return ops.convert_to_tensor((taken * weight).sum(axis=0))


def inputs(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def bank(units=3):
    return DenseExperts(num_experts=4, units=units)


MIXTURES = {
    "top-k": lambda: MixtureOfExperts(bank(), k=2, eval_capacity_factor=0.7),
    "open or closed": lambda: MixtureOfExperts(bank(), router="threshold"),
    "gates that open all": lambda: MultiGateMixtureOfExperts(
        {"a": bank(), "b": bank()}, {"one": {"type": "top_k", "k": 2}, "two": {"type": "relu"}}
    ),
    "few slots": lambda: MultiGateMixtureOfExperts(
        bank(), {"one": {"type": "top_k", "k": 1}, "two": {"type": "top_k", "k": 2}}
    ),
}


@pytest.mark.parametrize("case", MIXTURES)
def test_another_dispatcher_gives_the_same(case):
    layer, x = MIXTURES[case](), inputs(6, 5)
    expected = keras.tree.map_structure(to_numpy, layer(x))
    layer.dispatcher = OneByOne()
    actual = keras.tree.map_structure(to_numpy, layer(x))
    assert layer.dispatcher.calls
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected
    )


def test_whole_examples_and_their_mask():
    layer = MixtureOfExperts(keras.layers.LSTM(3), num_experts=3, k=2)
    x, mask = inputs(4, 5, 2), np.arange(5) < np.array([[5], [2], [0], [4]])
    expected = to_numpy(layer(x, mask=mask))
    layer.dispatcher = OneByOne()
    actual = to_numpy(layer(x, mask=mask))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_one_place_changes_it_for_all(monkeypatch):
    dispatcher = OneByOne()
    monkeypatch.setattr(Mixture, "dispatcher", dispatcher)
    layer = DepthSharedMixtureOfExperts(bank(5), num_depths=2)
    layer(layer(inputs(3, 5), depth=0), depth=1)
    MixtureOfExperts(bank())(inputs(3, 5))
    assert len(dispatcher.calls) == 3


def test_it_is_no_part_of_what_is_saved():
    layer = MixtureOfExperts(bank())
    layer.dispatcher = OneByOne()
    copy = MixtureOfExperts.from_config(layer.get_config())
    assert type(copy.dispatcher) is Dispatcher
