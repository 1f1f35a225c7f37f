"""Sparse data from configs: matrices of one's own and texts, from file to trained, saved model."""

import gzip
import json

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import dump_svmlight_file
from sklearn.feature_extraction.text import TfidfVectorizer

import sparse_keras
from sparse_keras._internal import memory
from sparse_keras.data import Features, SparseTable, Target, TextColumn, fit_texts
from sparse_keras.data.tabular.csr.files import is_matrix_file, read_matrix, read_npz, read_svmlight

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras has no sparse tensors on PyTorch"
)
MODEL = """
model:
  type: sparse_mlp
  stem: null
  sparse_projection: {units: 8}
  experts: {type: mlp, num_experts: 4, hidden_dim: 8}
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 3, batch_size: 32}
"""


@pytest.fixture
def matrix():
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(120, 300)) * (rng.random((120, 300)) < 0.05)
    dense[:, -1] = 1.0
    dense[::10, :-1] = 0.0
    y = np.where(dense[:, :50].sum(axis=1) > 0, 1, 0)
    return scipy.sparse.csr_matrix(dense.astype("float32")), y


def config_of(folder, data):
    (folder / "config.yaml").write_text(f"version: 1\ndescription: Sparse.\ndata: {data}{MODEL}")
    return sparse_keras.load_config(folder / "config.yaml")


def write(matrix, y, folder):
    dump_svmlight_file(matrix, y, str(folder / "x.svm"), zero_based=False)
    scipy.sparse.save_npz(folder / "x.npz", matrix)
    pd.DataFrame({"y": np.where(y == 1, "yes", "no")}).to_csv(folder / "y.csv", index=False)


SVMLIGHT = "{type: svmlight, path: x.svm}"
NPZ = "{type: sparse_npz, path: x.npz, targets: y.csv, target: y}"


@pytest.mark.parametrize("data", [SVMLIGHT, NPZ])
def test_rows_are_those_of_the_file(matrix, tmp_path, data):
    csr, y = matrix
    write(csr, y, tmp_path)
    config = config_of(tmp_path, data)
    data = sparse_keras.load_data(config)
    assert {part: len(rows) for part, rows in data.frames.items()} == {
        "train": 86,
        "validation": 10,
        "test": 24,
    }
    assert data.features.sparse_dim == 300 and data.features.target.task == "binary"
    both = scipy.sparse.vstack([rows.matrix for rows in data.frames.values()])
    assert both.nnz == csr.nnz
    assert sorted(both.sum(axis=1).A1) == pytest.approx(sorted(csr.sum(axis=1).A1), rel=1e-3)
    assert data.digest() == sparse_keras.load_data(config).digest()
    data.train.x.data[0] += 1.0
    assert data.digest() != sparse_keras.load_data(config).digest()


@pytest.mark.usefixtures("eager_functions")
def test_train_resume_save_and_predict(matrix, tmp_path):
    csr, y = matrix
    write(csr, y, tmp_path)
    config = config_of(tmp_path, NPZ)
    run = sparse_keras.train(config, output=tmp_path / "runs", verbose=0)
    assert set(run.metrics) >= {"auc", "accuracy"}
    model = sparse_keras.load_model(run.path)
    expected = run.model.predict(csr, verbose=0)
    np.testing.assert_array_equal(model.predict(csr, verbose=0), expected)
    for form in (csr.tocsc(), csr.tocoo(), scipy.sparse.csr_array(csr), SparseTable(csr)):
        np.testing.assert_allclose(model.predict(form, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict(csr[5:6], verbose=0), expected[5:6], atol=1e-6)
    assert set(model.predict_target(csr, verbose=0)) <= {"yes", "no"}
    assert list(model.predict_frame(csr, verbose=0)) == ["prediction", "probability_yes"]
    assert model.predict(csr[:0], verbose=0).shape == (0, 1)
    with pytest.raises(ValueError, match="300 columns.*Received: 299"):
        model.predict(csr[:, :-1])
    twin = sparse_keras.dense_twin(config)
    assert twin.model.sparse_projection.units == 8


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.tensorflow
def test_export(matrix, tmp_path):
    import tensorflow as tf

    from sparse_keras.data.tabular.tensorflow_csr_export import csr_tensors

    csr, y = matrix
    write(csr, y, tmp_path)
    config = config_of(tmp_path, NPZ)
    data = sparse_keras.load_data(config)
    network = sparse_keras.training.building.build_network(config, data)
    model = sparse_keras.models.PreprocessedModel(network, data.preprocessor)
    model.export(tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    for rows in (csr, csr[:1], csr[:0]):
        served = loaded.serve({k: tf.constant(v) for k, v in csr_tensors(rows).items()})
        np.testing.assert_allclose(
            served["prediction"], model.predict(rows, verbose=0).reshape(-1, 1), atol=1e-6
        )
    assert set(served) == {"prediction", "class"}


@pytest.mark.tensorflow
def test_a_step_is_not_compiled(matrix, tmp_path):
    write(*matrix, tmp_path)
    config_of(tmp_path, SVMLIGHT)
    config = sparse_keras.load_config(tmp_path / "config.yaml", ["training.jit_compile=true"])
    with pytest.raises(ValueError, match="training.jit_compile.*optimizer.fused"):
        sparse_keras.build_model(config)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{type: svmlight, path: none.svm}", "none.svm.* does not exist"),
        ("{type: svmlight, path: zero.svm}", "counts columns from 1.*zero_based"),
        ("{type: sparse_npz, path: y.csv, targets: y.csv, target: y}", "not a matrix of scipy"),
        ("{type: sparse_npz, path: x.npz, targets: y.csv, target: z}", "column 'z'.*y"),
        ("{type: sparse_npz, path: x.npz, targets: short.csv, target: y}", "120 rows.*3 targets"),
    ],
)
def test_files_that_cannot_be_read_are_told(matrix, tmp_path, data, message):
    csr, y = matrix
    write(csr, y, tmp_path)
    (tmp_path / "zero.svm").write_text("1 0:1.5\n0 1:1\n")
    (tmp_path / "short.csv").write_text("y\n1\n0\n1\n")
    with pytest.raises(ValueError, match=message):
        sparse_keras.load_data(config_of(tmp_path, data))


TEXTS = ["the cat sat", "a Dog sat down", "the the dog ran", "cats and dogs", "sat", "ran ran cat"]


def test_texts_are_encoded_as_by_scikit_learn():
    column = TextColumn.fit(pd.Series(TEXTS, name="text"), sublinear_tf=True, ngram_max=2)
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit(TEXTS)
    new = ["the dog sat sat", "nothing known", ""]
    again = TextColumn.from_dict(json.loads(json.dumps(column.to_dict())))
    assert again == column
    for one in (column, again):
        expected = vectorizer.transform(new).toarray()
        np.testing.assert_allclose(one.encode(new).toarray(), expected, atol=1e-6)
    features = Features(Target("y", "binary", (0, 1)), texts=(column,))
    encoded = column.encode(new)
    tables = [pd.DataFrame({"text": new, "other": 1}), {"text": new}, pd.Series(new), new, encoded]
    for table in tables:
        found = features.encode(table)["sparse"]
        np.testing.assert_array_equal(found.toarray(), encoded.toarray())
    assert features.encode({"text": new[0]})["sparse"].shape == (1, column.width)


def test_characters_and_rows_without_a_text():
    texts = pd.Series([*TEXTS, None, " ? "], name="text")
    options = {"analyzer": "char_wb", "ngram_min": 3, "ngram_max": 5}
    column = TextColumn.fit(texts, **options)
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5)).fit([*TEXTS, "", ""])
    expected = vectorizer.transform(TEXTS).toarray()
    np.testing.assert_allclose(column.encode(TEXTS).toarray(), expected, atol=1e-6)
    assert column.missing(texts).tolist() == [False] * len(TEXTS) + [True, True]
    assert not column.encode(texts)[-2:].nnz


@pytest.mark.parametrize(
    ("table", "message"),
    [(pd.DataFrame({"words": TEXTS}), "'text'"), ("one text", r"Pass \[text\]")],
)
def test_what_is_no_text_raises(table, message):
    column = TextColumn.fit(pd.Series(TEXTS, name="text"))
    with pytest.raises(ValueError, match=message):
        Features(Target("y", "binary", (0, 1)), texts=(column,)).encode(table)


def test_texts_without_words_are_told():
    with pytest.raises(ValueError, match="'text' has no words"):
        TextColumn.fit(pd.Series(["", "!"], name="text"))


@pytest.mark.usefixtures("eager_functions")
def test_a_model_of_texts_is_saved_with_its_words(tmp_path):
    frame = pd.DataFrame({"text": TEXTS, "y": [1, 0, 0, 1, 0, 1]})
    features = fit_texts(frame, Target("y", "binary", (0, 1)), "text", min_df=1)
    assert Features.from_dict(json.loads(json.dumps(features.to_dict()))) == features
    assert features.columns == ("text",) and features.kinds()[0][1] == "text"
    core = sparse_keras.models.dense_mlp(inputs=features.inputs(), hidden_dim=4)
    preprocessor = sparse_keras.data.TablePreprocessor(features)
    model = sparse_keras.models.PreprocessedModel(core, preprocessor)
    model.save(tmp_path / "model.keras")
    loaded = sparse_keras.load_model(tmp_path / "model.keras")
    expected = model.predict(features.encode(frame)["sparse"], verbose=0)
    for texts in (TEXTS, frame, {"text": TEXTS}):
        np.testing.assert_allclose(loaded.predict(texts, verbose=0), expected, atol=1e-6)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    loaded.export(tmp_path / "saved")
    exported = tf.saved_model.load(tmp_path / "saved")
    served = exported.serve({"text": tf.constant(TEXTS)})
    np.testing.assert_allclose(served["prediction"], expected, atol=1e-6)


@pytest.fixture
def newsgroups(monkeypatch):
    """A few texts in place of those that are downloaded."""
    texts, labels = TEXTS * 4, ["sci", "rec"] * 12
    found = (texts, labels, TEXTS[:4], labels[:4], ("rec", "sci"))
    monkeypatch.setattr(
        sparse_keras.data.tabular.readers.newsgroups, "newsgroups_texts", lambda: found
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("sublinear_tf", "false"), ("min_df", "5"), ("ngram_max", "2"), ("max_features", "3")],
)
def test_each_key_of_texts_changes_something(newsgroups, tmp_path, key, value):
    config_of(tmp_path, "{type: newsgroups}")
    path = tmp_path / "config.yaml"
    data = sparse_keras.load_data(sparse_keras.load_config(path))
    changed = sparse_keras.load_data(sparse_keras.load_config(path, [f"data.{key}={value}"]))
    assert data.digest() != changed.digest()


def test_words_are_those_of_the_training_rows(newsgroups, tmp_path):
    config = config_of(tmp_path, "{type: newsgroups, min_df: 1, validation_fraction: 0.9}")
    data = sparse_keras.load_data(config)
    seen = " ".join(data.frames["train"]["text"]).lower().split()
    assert set(data.features.texts[0].vocabulary) <= set(seen)
    assert data.features.sparse_dim < len({w for t in TEXTS for w in t.lower().split()})
    assert data.features.target.classes == ("rec", "sci")


def save_arrays(path, **changes):
    """Writes the arrays of a valid CSR matrix `[2, 3]`, some of them changed."""
    arrays = {
        **{"format": np.array(b"csr"), "shape": np.array([2, 3]), "data": np.ones(2)},
        **{"indices": np.array([0, 2]), "indptr": np.array([0, 1, 2])},
    }
    np.savez(
        path, **{name: array for name, array in (arrays | changes).items() if array is not None}
    )
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": np.array([0, 10**6])}, "x.npz cannot be used: .*index is 1,000,000"),
        ({"indptr": np.array([0, 10**6, 2])}, "x.npz cannot be used: .*never decrease"),
        (
            {"format": np.array("csc"), "shape": np.array([2, 2])},
            "x.npz cannot be used: .*index is 2",
        ),
        (
            {"shape": np.array([2, 10**12])},
            "x.npz has 1,000,000,000,000 columns. .*4,000.0 GB, too",
        ),
        ({"indices": np.array([0.0, 2.0])}, "x.npz: array 'indices' must hold integers.*float64"),
        ({"indices": None}, "x.npz is not a matrix of scipy.sparse.save_npz: KeyError"),
        ({"format": np.array("lil")}, "x.npz is not a matrix of scipy.sparse.save_npz: NotImpl"),
        (
            {"format": None},
            "x.npz is not a matrix of scipy.sparse.save_npz. It holds 'shape', 'data'",
        ),
        ({"data": np.array(["a", "b"])}, "x.npz "),
        ({"data": np.array([1.0, np.nan])}, "x.npz cannot be used: .*nan in row 2, column 3"),
    ],
)
def test_hostile_matrices_are_told_by_name(tmp_path, changes, message):
    path = save_arrays(tmp_path / "x.npz", **changes)
    with pytest.raises(ValueError, match=message):
        read_npz(path)


def test_a_matrix_is_what_was_saved(tmp_path):
    assert read_npz(save_arrays(tmp_path / "x.npz")).toarray().tolist() == [[1, 0, 0], [0, 0, 1]]


def test_a_matrix_beyond_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    scipy.sparse.save_npz(path, scipy.sparse.csr_matrix(np.ones((100, 100))))
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    monkeypatch.setattr(scipy.sparse, "load_npz", lambda path: pytest.fail("read"))
    with pytest.raises(ValueError, match="x.npz holds 0.0 GB of data"):  # 120,000 bytes
        read_npz(path)


@pytest.mark.parametrize("damage", [lambda content: content[:150], lambda content: content[150:]])
def test_a_cut_matrix_is_told(tmp_path, damage):
    path = save_arrays(tmp_path / "x.npz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="x.npz (is not a matrix of scipy|cannot be read: array)"):
        read_npz(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1 2147483648:1",
            "line 2: expected a column between 1 and 2,147,483,647. Rec.*: 2147483648",
        ),
        ("1 1099511627776:1", "line 2: expected a column between 1 and .*Received: 1099511627776"),
        ("1 0:1", "from 1 .*line 2: expected a column between 1 .*Received: 0"),
        ("1 3:1 2:1", "line 2: columns must increase. Received: 2 after 3"),
        ("1 2=1", "line 2: expected column:value. Received: '2=1'"),
        ("yes 2:1", "line 2: expected a number as target. Received: 'yes'"),
        ("1 2:1e300", "cannot be used: .*finite numbers of float32.*inf in row 2, column 2"),
        ("1 9:1", "line 2: expected a column between 1 and 5"),
    ],
)
def test_the_line_of_a_svmlight_file_is_told(tmp_path, line, message):
    path = tmp_path / "x.svm"
    path.write_text(f"0 1:1  # comment\n{line}\n")
    with pytest.raises(ValueError, match=f"x.svm .*{message}"):
        read_svmlight(path, 5 if "9:1" in line else None)


def test_huge_targets_of_a_svmlight_file_stay(tmp_path):
    path = tmp_path / "x.svm.gz"
    with gzip.open(path, "wt") as file:
        file.write("1e300 1:1\n2 2:1\n")
    assert is_matrix_file(path)
    assert read_matrix(path).targets["target"].tolist() == [1e300, 2.0]


def test_more_columns_than_memory_are_told_with_their_key(tmp_path):
    path = tmp_path / "x.svm"
    path.write_text("0 1:1\n1 2:1\n")
    with pytest.raises(ValueError, match="1,000,000,000,000 columns.*Decrease data.num_columns"):
        read_svmlight(path, 10**12)
