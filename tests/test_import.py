"""What `import sparse_keras` does and does not do, each in a fresh process."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sparse_keras
from sparse_keras._internal import registration
from sparse_keras.optimizers import FusedOptimizer
from tests.layers.test_saving_and_export import everything_model
from tests.support.timing import limit


def run(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_importing_is_fast_silent_and_free_of_keras():
    done = run(
        "import sys, time; start = time.process_time(); import sparse_keras\n"
        f"assert time.process_time() - start < {limit(0.5)}\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_layers_import_nothing_that_keras_does_not():
    """Neither other packages, nor the parts of this one that lie above: data, models, ..."""
    done = run(
        "import sys, sparse_keras\n"
        "from sparse_keras._internal import registration\n"
        "registration.MODULES = ()\n"  # Else all that holds Keras classes is imported.
        "import keras\n"
        "before = set(sys.modules)\n"
        "import sparse_keras.layers\n"
        "new = set(sys.modules) - before\n"
        "others = {name.partition('.')[0] for name in new} - {*sys.stdlib_module_names}\n"
        "assert others == {'sparse_keras'}, others\n"
        "ours = {name.split('.')[1] for name in new if name.startswith('sparse_keras.')}\n"
        "assert ours <= {'_internal', 'layers', 'losses', 'ops'}, ours"
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    """A folder with a compiled model of many layers and inputs; and its predictions."""
    model, x = everything_model(FusedOptimizer("adam"))
    folder = tmp_path_factory.mktemp("model")
    model.save(folder / "model.keras")
    np.save(folder / "x.npy", x)
    return folder, model.predict(x, verbose=0)


@pytest.mark.parametrize(
    "imports",
    [
        "import sparse_keras, keras",
        pytest.param("import keras, sparse_keras", marks=pytest.mark.slow),
        pytest.param("import sparse_keras.layers.initializers, keras", marks=pytest.mark.slow),
    ],
)
def test_keras_loads_our_classes_in_any_order_of_imports(saved_model, imports):
    folder, expected = saved_model
    load = (
        f"{imports}\nimport os, sys\nimport numpy as np\nos.chdir(sys.argv[1])\n"
        "model = keras.models.load_model('model.keras')\n"
        "assert type(model.optimizer).__name__ == 'FusedOptimizer'\n"
        "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))\n"
    )
    done = run(load, str(folder))
    assert done.returncode == 0, done.stderr
    assert "could not register" not in done.stderr
    np.testing.assert_allclose(np.load(folder / "y.npy"), expected, rtol=1e-5, atol=1e-6)


def test_every_module_that_registers_a_class_is_imported_by_the_hook():
    package = Path(sparse_keras.__file__).parent
    for path in package.rglob("*.py"):
        if "@keras.saving.register_keras_serializable" in path.read_text(encoding="utf-8"):
            module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
            assert any(f"{module}.".startswith(f"{name}.") for name in registration.MODULES), module


def test_every_public_name_is_there():
    for name in sparse_keras.__all__:
        assert getattr(sparse_keras, name) is not None
    assert set(sparse_keras.__all__) <= set(dir(sparse_keras))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sparse_keras.nothing


def test_type_checkers_see_the_same_names_of_data():
    tree = ast.parse(Path(sparse_keras.data.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.asname: node.module.removeprefix("sparse_keras.data.")
        for node in block.body
        for alias in node.names
    }
    assert imported == sparse_keras.data._MODULES
    for name in sparse_keras.data.__all__:
        assert getattr(sparse_keras.data, name) is not None
    assert dir(sparse_keras.data) == sorted(sparse_keras.data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sparse_keras.data.nothing


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(sparse_keras.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.asname: f"{node.module}.{alias.name}" for node in block.body for alias in node.names
    }
    modules = {name: f"sparse_keras.{name}" for name in sparse_keras._MODULES}
    functions = {
        name: f"sparse_keras.{module}.{name}" for name, module in sparse_keras._FUNCTIONS.items()
    }
    assert imported == modules | functions


def test_a_failed_registration_is_a_warning_not_a_broken_keras(monkeypatch):
    monkeypatch.setattr(registration, "MODULES", ("sparse_keras.nothing",))
    with pytest.warns(UserWarning, match="could not register its Keras classes: ModuleNotFound"):
        registration.install()
