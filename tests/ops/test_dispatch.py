import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.ops import combine, dispatch, expand_groups, expert_capacity, sort_by_expert
from tests.support import reference
from tests.support.gradients import gradients, to_numpy

FORMS = ["gathers", "adds"]


def draw(tokens=17, experts=6, k=3, width=4, open_share=0.8, seed=0):
    rng = np.random.default_rng(seed)
    index = np.stack([rng.permutation(experts)[:k] for _ in range(tokens)]).astype("int32")
    is_open = rng.random((tokens, k)) < open_share
    x = rng.normal(size=(tokens, width)).astype("float32")
    weight = rng.random((tokens, k)).astype("float32")
    return index, is_open, x, weight


def plan_of(index, is_open, experts, capacity=None, form="gathers"):
    """The plan; with the other form rows are added up, with some to spare where it is static."""
    adds = form == "adds"
    more = {"few_open": True, "most_open": int(is_open.sum()) + 3} if adds else {}
    plan = sort_by_expert(
        ops.convert_to_tensor(index), ops.convert_to_tensor(is_open), experts, capacity, **more
    )
    assert plan.adds_rows == adds
    return plan


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("capacity", [None, 1, 3, 100])
@pytest.mark.parametrize("open_share", [0.0, 0.3, 1.0])
def test_rows_are_sorted_by_expert(capacity, open_share, form):
    index, is_open, x, _ = draw(open_share=open_share)
    plan = plan_of(index, is_open, 6, capacity, form)
    limit = np.inf if capacity is None else capacity
    kept = reference.kept_assignments(index, is_open, 6, limit)
    np.testing.assert_array_equal(np.array(ops.convert_to_numpy(plan.kept)).T, kept)
    sizes = ops.convert_to_numpy(plan.group_sizes)
    np.testing.assert_array_equal(sizes, [(kept & (index == e)).sum() for e in range(6)])

    rows = to_numpy(dispatch(ops.convert_to_tensor(x), plan))
    start = 0
    for e, size in enumerate(sizes):
        # Choice by choice, and by token within a choice.
        expected = [n for c in range(3) for n in range(17) if kept[n, c] and index[n, c] == e]
        np.testing.assert_array_equal(rows[start : start + size], x[expected])
        start += size


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("capacity", [None, 2])
@pytest.mark.parametrize("open_share", [0.0, 0.5, 1.0])
def test_dispatch_then_combine(capacity, open_share, form):
    """With experts that do nothing, the output is each token times its kept weights."""
    index, is_open, x, weight = draw(open_share=open_share, seed=1)
    plan = plan_of(index, is_open, 6, capacity, form)
    kept = np.array(ops.convert_to_numpy(plan.kept)).T
    upstream = np.random.default_rng(2).normal(size=x.shape).astype("float32")

    def function(x, weight):
        return combine(dispatch(x, plan), plan, weight)

    y = to_numpy(function(ops.convert_to_tensor(x), ops.convert_to_tensor(weight)))
    factor = (weight * kept).sum(1, keepdims=True)
    np.testing.assert_allclose(y, x * factor, rtol=1e-5, atol=1e-6)

    dx, dweight = gradients(lambda x, w: ops.sum(ops.multiply(function(x, w), upstream)), x, weight)
    np.testing.assert_allclose(dx, upstream * factor, rtol=1e-5, atol=1e-6)
    expected = (x * upstream).sum(1, keepdims=True) * kept
    np.testing.assert_allclose(dweight, expected, rtol=1e-5, atol=1e-5)


def test_capacity_by_hand():
    # 3 tokens, K = 2, E = 2, so capacity 1.0 * 3 * 2 / 2 = 3.
    assert int(expert_capacity(1.0, 6, 2)) == 3
    # 1.25 * 3 * 2 / 2 = 3.75, rounded up.
    assert int(expert_capacity(1.25, 6, 2)) == 4
    # 1.1 * 100 * 1 / 10 is 11.000000000000002 in floating point: 11, not 12.
    assert int(expert_capacity(1.1, 100, 10)) == 11
    # All tokens choose expert 0 first and expert 1 second; one place each: token 0 keeps both.
    index = np.array([[0, 1], [0, 1], [0, 1]], "int32")
    plan = plan_of(index, np.ones((3, 2), bool), 2, 1)
    np.testing.assert_array_equal(
        np.array(ops.convert_to_numpy(plan.kept)).T, [[1, 1], [0, 0], [0, 0]]
    )
    # Expert 0 is the first choice of token 1 and the second of token 0: the first choice stays.
    index = np.array([[1, 0], [0, 1]], "int32")
    plan = plan_of(index, np.ones((2, 2), bool), 2, 1)
    np.testing.assert_array_equal(np.array(ops.convert_to_numpy(plan.kept)).T, [[1, 0], [1, 0]])


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_no_token_cannot_spoil_outputs(form):
    """What experts write past the last row, NaN included, reaches no token."""
    index, is_open, x, weight = draw(open_share=0.4, seed=3)
    plan = plan_of(index, is_open, 6, form=form)
    total = int(ops.convert_to_numpy(plan.group_sizes).sum())
    rows = to_numpy(dispatch(ops.convert_to_tensor(x), plan)).copy()
    rows[total:] = np.nan
    y = to_numpy(combine(ops.convert_to_tensor(rows), plan, ops.convert_to_tensor(weight)))
    assert np.isfinite(y).all()


def test_expand_groups():
    values = np.arange(6, dtype="float32").reshape(3, 2)
    sizes = np.array([2, 0, 1], "int32")
    y = to_numpy(expand_groups(values, sizes, 5))
    np.testing.assert_array_equal(y, [[0, 1], [0, 1], [4, 5], [0, 0], [0, 0]])
    upstream = np.arange(10, dtype="float32").reshape(5, 2)

    def objective(values):
        return ops.sum(ops.multiply(expand_groups(values, sizes, 5), upstream))

    (found,) = gradients(objective, values)
    # Sums of rows 0 and 1; nothing; row 2.
    np.testing.assert_array_equal(found, [[2, 4], [0, 0], [4, 5]])


@pytest.mark.parametrize("form", FORMS)
def test_dropped_assignments_send_no_gradient_to_rows(form):
    """A bank may compute on all rows; what it makes of those that nobody uses has no say."""
    index, is_open, _, weight = draw(open_share=1.0, seed=4)
    plan = plan_of(index, is_open, 6, 2, form)
    total = int(ops.convert_to_numpy(plan.group_sizes).sum())
    rows = np.ones((plan.assignment.shape[0], 4), "float32")

    (found,) = gradients(lambda rows: ops.sum(combine(rows, plan, weight)), rows)
    assert np.all(found[total:] == 0)
    assert np.all(found[:total] > 0)


def test_sums_of_many_rows_keep_their_bits():
    """16 bits, added up one after the other, would lose them."""
    rng = np.random.default_rng(5)
    index = np.tile(np.arange(64, dtype="int32"), (20, 1))
    is_open, weight = rng.random((20, 64)) < 0.5, np.ones((20, 64), "float32")
    plan = sort_by_expert(index, ops.convert_to_tensor(is_open), 64, few_open=True, most_open=1280)
    x = ops.cast(rng.random((20, 8)).astype("float32"), "bfloat16")
    rows = dispatch(x, plan)
    y = combine(rows, plan, weight)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    expected = to_numpy(ops.cast(x, "float32")) * is_open.sum(1, keepdims=True)
    # Half of the last bit of bfloat16: one rounding, at the end.
    np.testing.assert_allclose(to_numpy(ops.cast(y, "float32")), expected, rtol=2**-8)
