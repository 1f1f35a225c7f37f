"""all-MiniLM-L6-v2, from the Python package that holds it: the vectors of transformers."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.data.download.fetch import FetchError
from tests.models.text.checkpoints.test_families import check_same_tensors

SENTENCES = [
    "A man is eating a piece of bread.",
    "A man is eating food.",
    "The new movie is awesome.",
]
# By transformers 5.24: the mean over the tokens, of length 1. Their products, and the beginning of
# the first.
PRODUCTS = [[1.0, 0.75534, -0.05829], [0.75534, 1.0, -0.04605], [-0.05829, -0.04605, 1.0]]
BEGINNING = [0.0525185, 0.0552413, -0.0111882, -0.0057454]


@pytest.mark.slow
def test_sentences(tmp_path):
    try:
        encoder = sparse_keras.load_pretrained("all_minilm_l6_v2")
    except FetchError as error:
        pytest.skip(str(error))
    assert encoder.count_params() == 22_713_216
    token_ids = encoder.tokenize(SENTENCES)
    assert token_ids[2].tolist() == [101, 1996, 2047, 3185, 2003, 12476, 1012, 102, 0, 0, 0]
    layers = [keras.layers.GlobalAveragePooling1D(), keras.layers.UnitNormalization()]
    embedder = keras.Sequential([keras.Input((None,), dtype="int32"), encoder, *layers])
    vectors = embedder.predict(token_ids, verbose=0)
    np.testing.assert_allclose(vectors @ vectors.T, PRODUCTS, atol=2e-5)
    np.testing.assert_allclose(vectors[0, :4], BEGINNING, atol=1e-6)

    sparse = sparse_keras.upcycle(encoder, num_experts=8, split=2, layers=[-1, -2], seed=0)
    real = token_ids != 0
    dense = keras.ops.convert_to_numpy(encoder(token_ids))
    found = keras.ops.convert_to_numpy(sparse(token_ids))
    np.testing.assert_allclose(found[real], dense[real], atol=1e-5)

    sparse_keras.save_pretrained(encoder, tmp_path / "again")
    from sparse_keras.data.download.checkpoints import file_of

    check_same_tensors(file_of("all_minilm_l6_v2"), tmp_path / "again")
