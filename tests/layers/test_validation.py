"""Checks of constructor arguments."""

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
    assert validation.optional_positive("capacity_factor", None) is None


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_factor_is_positive_and_finite(value):
    assert validation.optional_positive("capacity_factor", 1.25) == 1.25
    with pytest.raises(ValueError, match="`capacity_factor` must be None or a positive number"):
        validation.optional_positive("capacity_factor", value)


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_the_weight_of_a_loss_may_be_zero_but_not_negative(value):
    assert validation.loss_weight("z_loss", 0.0) == 0.0
    with pytest.raises(ValueError, match="`z_loss` must be a weight of at least 0"):
        validation.loss_weight("z_loss", value)


@pytest.mark.parametrize("value", [1, 0, "Softmax", "true"])
def test_numbers_are_no_booleans_among_options(value):
    options = (None, True, False, "softmax")
    assert [validation.one_of("normalize", option, options) for option in options] == [*options]
    with pytest.raises(ValueError, match=rf"`normalize` must be one of .*normalize={value!r}"):
        validation.one_of("normalize", value, options)
