"""SparseTable, what a matrix means, and its way into batches."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from sparse_keras.data import ArrayBatches, Features, SparseTable, Target, fit_sparse
from sparse_keras.data.tabular.csr import SparseColumns, as_csr
from sparse_keras.data.tabular.splits import hold_out

FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr"]


def random_matrix(rows=12, columns=7, seed=0):
    dense = np.random.default_rng(seed).normal(size=(rows, columns)).round(1)
    return dense * (np.abs(dense) > 1)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_every_format_means_the_same(form, kind):
    dense = random_matrix()
    given = getattr(scipy.sparse, f"{form}_{kind}")(dense)
    csr = as_csr(given)
    assert csr.format == "csr" and csr.dtype == np.float32 and csr.has_canonical_format
    np.testing.assert_array_equal(csr.toarray(), dense.astype("float32"))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool", "float64", "float32"])
def test_every_type_of_number_means_the_same(dtype):
    dense = (random_matrix() != 0).astype(dtype)
    np.testing.assert_array_equal(as_csr(scipy.sparse.csr_matrix(dense)).toarray(), dense)


def test_duplicates_unsorted_columns_and_zeros():
    """The caller's matrix stays as it was."""
    data, columns = np.array([1.0, 2.0, 3.0, 0.0], "float32"), np.array([5, 2, 5, 0])
    given = scipy.sparse.csr_matrix((data, columns, [0, 3, 3, 4]), shape=(3, 6))
    csr = as_csr(given)
    np.testing.assert_array_equal(csr.toarray(), [[0, 0, 2, 0, 0, 4], [0] * 6, [0] * 6])
    assert csr.has_sorted_indices
    np.testing.assert_array_equal(given.indices, [5, 2, 5, 0])
    np.testing.assert_array_equal(given.data, [1, 2, 3, 0])


def test_what_is_right_already_is_not_copied():
    csr = scipy.sparse.csr_matrix(random_matrix().astype("float32"))
    assert np.shares_memory(as_csr(csr).data, csr.data)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (scipy.sparse.csr_matrix([[1.0, np.nan]]), "finite numbers.*nan in row 1, column 2"),
        (scipy.sparse.csr_matrix([[1.0], [np.inf]]), "inf in row 2, column 1"),
        (scipy.sparse.csr_matrix([[1e300]]), "finite numbers of float32"),
        (scipy.sparse.csr_matrix([[1j]]), "matrix of numbers.*complex128"),
        (np.eye(3), r"ndarray of shape \(3, 3\).*csr_matrix\(array\)"),
        (scipy.sparse.coo_array(np.ones(3)), "rows and columns"),
        ("text", "Received: str"),
    ],
)
def test_what_is_no_matrix_is_told(given, message):
    with pytest.raises(ValueError, match=message):
        as_csr(given)


def table(rows=12, names=None):
    matrix = scipy.sparse.csr_matrix(random_matrix(rows))
    return SparseTable(matrix, pd.DataFrame({"y": np.arange(rows) % 3}), names)


def test_rows_of_a_table():
    rows = table()
    mask = np.arange(12) % 2 == 0
    for part in (rows[mask], rows[np.flatnonzero(mask)], rows[::2]):
        np.testing.assert_array_equal(part.matrix.toarray(), rows.matrix.toarray()[mask])
        np.testing.assert_array_equal(part.targets["y"], rows.targets["y"][mask])
        assert list(part.targets.index) == list(range(6))
    assert len(rows) == 12 and "12 rows of 7 columns" in repr(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": pd.DataFrame({"y": [1, 2]})}, "each of 12 rows.*2 targets"),
        ({"names": ["a", "b"]}, "each of 7 columns.*2 names"),
    ],
)
def test_tables_that_do_not_fit_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        SparseTable(random_matrix_csr(), **options)


def random_matrix_csr():
    return scipy.sparse.csr_matrix(random_matrix())


def test_holding_out_is_stratified():
    kept, held = hold_out(table(30), Target("y", "multiclass", (0, 1, 2)), 0.2, seed=0)
    assert len(kept) == 24 and sorted(held.targets["y"]) == [0, 0, 1, 1, 2, 2]
    both = scipy.sparse.vstack([kept.matrix, held.matrix])
    assert both.nnz == table(30).matrix.nnz


def test_features_of_a_table():
    names = list("abcdefg")
    rows = table(names=names)
    features = fit_sparse(rows, Target("y", "multiclass", (0, 1, 2)))
    assert features.sparse_dim == 7 and features.numeric_dim == 0 and not features.columns
    encoded = features.encode(rows.matrix.tocsc())
    np.testing.assert_array_equal(encoded["sparse"].toarray(), rows.matrix.toarray())
    np.testing.assert_array_equal(features.encode_target(rows), np.arange(12) % 3)
    assert Features.from_dict(features.to_dict()) == features
    assert features.kinds()[0][:2] == ("7 columns", "sparse")
    with pytest.raises(ValueError, match="matrix of 7 columns.*Received: 6"):
        features.encode(rows.matrix[:, :6])
    with pytest.raises(ValueError, match="in their order.*'a' and 'b'"):
        features.encode(table(names=[*"bacdefg"]))
    with pytest.raises(ValueError, match="DataFrame"):
        features.encode(pd.DataFrame({"a": [1]}))


def test_dense_features_refuse_a_matrix():
    features = Features(Target("y", "regression"))
    with pytest.raises(ValueError, match="named columns.*SparseTable"):
        features.encode(random_matrix_csr())


def test_regression_knows_its_scale():
    target = fit_sparse(table(), Target("y", "regression")).target
    assert target.mean == pytest.approx(1.0)


def test_the_density_is_that_of_the_rows():
    assert SparseColumns.fit(table()).density == pytest.approx((random_matrix() != 0).mean())


@pytest.mark.tensorflow
def test_batches_are_sparse_tensors_of_the_same_rows():
    import tensorflow as tf

    rows = table()
    y = rows.targets["y"].to_numpy()
    batches = ArrayBatches({"sparse": rows.matrix}, y, batch_size=5, shuffle=True, seed=3)
    dense = ArrayBatches({"x": rows.matrix.toarray()}, y, batch_size=5, shuffle=True, seed=3)
    for batches.epoch in (0, 1):
        dense.epoch = batches.epoch
        for number in range(len(batches)):
            x, targets = batches[number]
            assert isinstance(x, tf.SparseTensor)
            np.testing.assert_array_equal(tf.sparse.to_dense(x), dense[number][0])
            np.testing.assert_array_equal(targets, dense[number][1])


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras has no sparse tensors there")
def test_batches_without_targets():
    batches = ArrayBatches({"sparse": random_matrix_csr()}, None, batch_size=5)
    assert len(batches) == 3 and len(batches[2]) == 1 and batches[2][0].shape == (2, 7)


def broken(form, **arrays):
    """A matrix, valid when made, of which arrays were replaced."""
    matrix = getattr(scipy.sparse, f"{form}_matrix")(random_matrix())
    for name, array in arrays.items():
        setattr(matrix, name, array)
    return matrix


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("csr", {"indices": np.full(25, 10**6)}), "an index is 1,000,000, beyond 7 places"),
        (("csr", {"indices": np.full(25, -1)}), "an index is -1, beyond 7 places"),
        (("csc", {"indices": np.full(25, 10**6)}), "an index is 1,000,000, beyond 12 places"),
        (("bsr", {"indices": np.full(84, 10**6)}), "an index is 1,000,000, beyond"),
        (("csr", {"indptr": np.r_[[0], [10**6] * 11, [5]]}), "start with 0 and never decrease"),
        (("csr", {"indptr": np.r_[[0], [10**6] * 11, [0]]}), "start with 0 and never decrease"),
        (("csr", {"indptr": np.r_[[0] * 12, [10**6]]}), "counts 1,000,000 entries, of which"),
        (("csr", {"indptr": np.r_[[0] * 12, [-5]]}), "start with 0 and never decrease"),
        (("csr", {"indptr": np.zeros(4, int)}), "indptr has 4 entries instead of 13"),
        (("csr", {"data": np.ones((25, 1))}), r"data of shape \(25, 1\)"),
        (("csr", {"indices": np.zeros(25)}), "arrays of integers"),
        (("coo", {"row": np.full(25, 12)}), "a row is 12, beyond 12 places"),
        (("coo", {"col": np.full(25, -1)}), "a column is -1, beyond 7 places"),
        (("coo", {"data": np.ones(3)}), "25 rows and 25 columns for 3 entries"),
        (("dia", {"offsets": np.full(11, 2**40)}), "an offset is 1,099,511,627,776"),
        (("dia", {"offsets": np.zeros(3, int)}), "3 offsets for diagonals"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_told(given, message):
    """SciPy's conversions would read and write beyond the arrays."""
    form, arrays = given
    with pytest.raises(ValueError, match=f"format '{form}'.* is damaged: .*{message}"):
        as_csr(broken(form, **arrays))


def test_a_wrong_list_of_lil_is_told():
    matrix = scipy.sparse.lil_matrix(random_matrix())
    matrix.rows[0] = [10**6]
    matrix.data[0] = [1.0]
    with pytest.raises(ValueError, match="is damaged: an index is 1,000,000"):
        as_csr(matrix)


def test_more_rows_than_memory_are_told():
    ones = np.ones(1)
    with pytest.raises(
        ValueError, match="10,000,000,000,000 rows to CSR takes at least 160,000.0 GB"
    ):
        as_csr(scipy.sparse.coo_matrix((ones, ([0], [0])), shape=(10**13, 1)))
