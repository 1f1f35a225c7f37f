"""Only mixtures whose routing depends on other tokens walk through the functional model."""

import keras

from sparse_keras.layers import DenseExperts, ExpertChoiceRouter, MixtureOfExperts
from sparse_keras.layers.mixtures import mixture


def test_only_mixtures_that_see_other_tokens_walk_through_the_graph(monkeypatch):
    walks = []
    monkeypatch.setattr(mixture, "layers_before", lambda tensor: walks.append(tensor) or [])
    inputs = keras.Input((5, 6))
    MixtureOfExperts(DenseExperts(4, 6))(inputs)
    assert walks == []
    MixtureOfExperts(DenseExperts(4, 6), router=ExpertChoiceRouter())(inputs)
    assert len(walks) == 1
