"""Losses: which fit which target, and what they compute."""

import keras
import numpy as np
import pytest

from sparse_keras.schema.sections import losses
from sparse_keras.tasks import Binary, Multiclass, Multilabel, Regression

NUMBER = Regression("price", mean=100.0, std=50.0)
BINARY = Binary("y", ("n", "y"))
CLASSES = Multiclass("y", ("a", "b", "c"))
LABELS = Multilabel("y", ("a", "b"))


def value(loss, y_true, y_pred):
    return float(loss(np.asarray(y_true), np.asarray(y_pred, "float32")))


def test_numbers_are_compared_in_standard_deviations():
    y_true, y_pred = np.array([0.0, 100.0], "float32"), [[50.0], [0.0]]  # off by 1 and 2 of them
    assert value(NUMBER.loss(), y_true, y_pred) == pytest.approx((1 + 4) / 2)
    absolute = NUMBER.loss(losses.MeanAbsoluteError())
    assert value(absolute, y_true, y_pred) == pytest.approx((1 + 2) / 2)
    huber = NUMBER.loss(losses.Huber(delta=1.0))
    assert value(huber, y_true, y_pred) == pytest.approx((0.5 + 1.5) / 2)


def test_the_unit_of_the_target_changes_nothing():
    y_true, y_pred = np.array([3.0, 5.0], "float32"), np.array([[4.0], [7.0]], "float32")
    cents = Regression("price", mean=10_000.0, std=5_000.0)
    for section in (None, losses.Huber(delta=0.01), losses.MeanAbsoluteError()):
        in_cents = value(cents.loss(section), 100 * y_true, 100 * y_pred)
        assert in_cents == pytest.approx(value(NUMBER.loss(section), y_true, y_pred))


def test_classes():
    probabilities = [[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]]
    y_true = np.array([1, 2])
    one_hot = np.eye(3)[y_true]
    plain = -(np.log(0.5) + np.log(0.2)) / 2
    assert value(CLASSES.loss(), y_true, probabilities) == pytest.approx(plain)
    smooth = CLASSES.loss(losses.CrossEntropy(label_smoothing=0.3))
    soft = 0.7 * one_hot + 0.1
    wanted = -(soft * np.log(probabilities)).sum(axis=1).mean()
    assert value(smooth, y_true, probabilities) == pytest.approx(wanted, rel=1e-5)
    focal = CLASSES.loss(losses.Focal(gamma=2.0))
    wanted = -(0.25 * np.log(0.5) + 0.64 * np.log(0.2)) / 2
    assert value(focal, y_true, probabilities) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("target", [BINARY, LABELS])
def test_labels(target):
    y_true, p = np.ones((2, target.outputs), "float32"), np.full((2, target.outputs), 0.4)
    assert value(target.loss(), y_true, p) == pytest.approx(-np.log(0.4), rel=1e-5)
    focal = target.loss(losses.Focal(gamma=1.0))
    assert value(focal, y_true, p) == pytest.approx(-0.6 * np.log(0.4), rel=1e-5)


@pytest.mark.parametrize("target", [NUMBER, BINARY, CLASSES, LABELS])
@pytest.mark.parametrize("section", [None, *losses.LOSSES.sections.values()])
def test_every_loss_fits_or_is_refused_and_survives_saving(target, section):
    section = section and section()
    for_numbers = section is not None and section.type not in ("cross_entropy", "focal")
    if section is not None and for_numbers != (target.kind == "regression"):
        with pytest.raises(ValueError, match=f"{section.type} does not fit"):
            target.loss(section)
        return
    loss = target.loss(section)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
