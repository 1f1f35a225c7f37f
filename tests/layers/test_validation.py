"""Checks of constructor arguments."""

import fractions
import json

import numpy as np
import pytest

from sparse_keras.layers import validation


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_positive_ints_come_back_as_int(value):
    for check in (validation.positive_int, validation.optional_positive_int):
        checked = check("units", value)
        assert checked == value and type(checked) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "4", None])
def test_other_values_are_refused_by_name(value):
    with pytest.raises(ValueError, match=rf"`units` must be a positive integer.*units={value!r}"):
        validation.positive_int("units", value)
    if value is not None:
        with pytest.raises(ValueError, match="`units`"):
            validation.optional_positive_int("units", value)


def test_none_is_an_option():
    assert validation.optional_positive_int("units", None) is None
    assert validation.optional_number("capacity_factor", None, "(0, inf)") is None
    assert validation.group_numbers("groups", None) is None


NO_NUMBERS = ["0.5", True, None, [0.5], np.array([0.5]), float("nan"), 1j]


@pytest.mark.parametrize("value", [0.5, 0, np.float32(0.5), np.int64(0), fractions.Fraction(1, 2)])
def test_numbers_come_back_as_numbers_that_json_knows(value):
    for check in (validation.number, validation.optional_number):
        checked = check("jitter", value, "[0, 1)")
        assert checked == value and json.loads(json.dumps(checked)) == value


@pytest.mark.parametrize("value", [*NO_NUMBERS, -0.1, 1.0, float("inf")])
def test_what_is_not_in_an_interval_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"`jitter` must be a number in \[0, 1\).*jitter="):
        validation.number("jitter", value, "[0, 1)")
    if value is not None:
        with pytest.raises(ValueError, match=r"`jitter` must be None or a number in \[0, 1\)"):
            validation.optional_number("jitter", value, "[0, 1)")


def test_brackets_say_whether_ends_belong_to_an_interval():
    assert validation.number("dropout", 1.0, "[0, 1]") == 1.0
    for interval, value, words in [
        ("(0, 1]", 0, r"a number in \(0, 1\]"),
        ("(0, inf)", 0, "a positive number"),
        ("[0, inf)", -1, "a number of at least 0"),
        ("(-inf, inf)", float("inf"), r"a number in \(-inf, inf\)"),
    ]:
        with pytest.raises(ValueError, match=f"`dropout` must be {words}. Received: dropout="):
            validation.number("dropout", value, interval)


@pytest.mark.parametrize("value", [*NO_NUMBERS, -0.1, float("inf")])
def test_the_weight_of_a_loss_may_be_zero_but_not_negative(value):
    assert validation.loss_weight("z_loss", 0.0) == 0.0
    with pytest.raises(ValueError, match="`z_loss` must be a number of at least 0"):
        validation.loss_weight("z_loss", value)


@pytest.mark.parametrize("value", [-1, 2.0, True, "4", None])
def test_integers_may_be_zero(value):
    assert validation.non_negative_int("steps", np.int32(0)) == 0
    with pytest.raises(ValueError, match=rf"`steps` must be an integer of.*steps={value!r}"):
        validation.non_negative_int("steps", value)


@pytest.mark.parametrize("value", [2.0, True, "4", [1]])
def test_a_seed_is_any_integer_or_none(value):
    assert [validation.optional_int("seed", seed) for seed in (None, -3, np.int64(5))] == [
        None,
        -3,
        5,
    ]
    with pytest.raises(ValueError, match="`seed` must be None or an integer. Received: seed="):
        validation.optional_int("seed", value)


@pytest.mark.parametrize("value", [1, 0, None, "true", [True]])
def test_booleans_are_true_or_false(value):
    assert validation.boolean("shuffle", np.True_) is True
    assert validation.boolean("shuffle", False) is False
    with pytest.raises(ValueError, match="`shuffle` must be True or False. Received: shuffle="):
        validation.boolean("shuffle", value)


@pytest.mark.parametrize("value", [5, "01", [0, 2], [1, 2], [0.0, 1.0], [True, False], [-1, 0]])
def test_groups_are_numbered_without_gaps(value):
    assert validation.group_numbers("groups", np.array([1, 0, 1])) == [1, 0, 1]
    with pytest.raises(ValueError, match="`groups` must number the groups 0, 1, 2, .*groups="):
        validation.group_numbers("groups", value)


@pytest.mark.parametrize("value", [1, 0, "Softmax", "true"])
def test_numbers_are_no_booleans_among_options(value):
    options = (None, True, False, "softmax")
    assert [validation.one_of("normalize", option, options) for option in options] == [*options]
    with pytest.raises(ValueError, match=rf"`normalize` must be one of .*normalize={value!r}"):
        validation.one_of("normalize", value, options)
