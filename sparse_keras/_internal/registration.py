"""Makes our Keras classes known to Keras, whichever of the two is imported first.

`keras.models.load_model` finds a class only after the module that defines it has been imported, but
`import sparse_keras` must not import Keras (2-3 s). So: if Keras is already there, our classes are
imported at once; otherwise a hook waits on `sys.meta_path` and imports them right after Keras.
"""

import importlib
import sys
import warnings
from functools import partial

# Our modules that define Keras-serializable classes; a test compares the list with the tree.
MODULES = (
    "sparse_keras.ops",
    "sparse_keras.layers",
    "sparse_keras.callbacks",
    "sparse_keras.compression",
    "sparse_keras.data.preprocessor",
    "sparse_keras.data.tabular.preprocessor",
    "sparse_keras.data.text.language_preprocessor",
    "sparse_keras.data.text.text_preprocessor",
    "sparse_keras.data.text.tokenizer",
    "sparse_keras.models",
    "sparse_keras.tasks",
    "sparse_keras.optimizers",
    "sparse_keras.upcycling",
)


def install():
    """Registers our classes now if Keras is imported, or as soon as it is."""
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, _Hook) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hook())


def _register():
    try:
        for module in MODULES:
            importlib.import_module(module)
    except Exception as error:
        # Raising here would make `import keras` fail for users who may not even use us.
        warnings.warn(
            f"sparse_keras could not register its Keras classes: {error!r}. "
            "`import sparse_keras.layers` shows the whole error.",
            stacklevel=2,
        )


class _Hook:
    """A meta-path finder that calls `_register` after Keras has been imported.

    It also watches our own modules: `import sparse_keras.losses` imports Keras while our `losses`
    is half done, and registering then would import layers that need the finished `losses`. So it
    registers only when none of the watched modules is still being executed.
    """

    def __init__(self):
        self.executing = set()

    def find_spec(self, name, path=None, target=None):
        if name != "keras" and not name.startswith("sparse_keras."):
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                if spec.loader is None:  # A folder without `__init__.py` executes nothing.
                    return spec
                # On the instance, so that the loader keeps its type and all its other abilities.
                execute = spec.loader.exec_module
                spec.loader.exec_module = partial(self._execute, execute)
                return spec
        return None

    def _execute(self, execute, module):
        self.executing.add(module.__name__)
        try:
            execute(module)
        finally:
            self.executing.discard(module.__name__)
        if not self.executing and "keras" in sys.modules and self in sys.meta_path:
            sys.meta_path.remove(self)
            _register()
