"""Routers, expert banks, models and data sets of your own, by name in a config.

A plug-in is a section, which says what its keys are, and a builder, which gets their values:

```python
# my_package/sparse_keras_plugin.py
from typing import Literal

from pydantic import Field

from sparse_keras import register_router
from sparse_keras.schema import Section


class EveryNthRouter(Section):
    "Experts in turn."

    type: Literal["every_nth"] = Field("every_nth", description="Experts in turn.")
    k: int = Field(1, ge=1, description="Experts that see each row.")


register_router(EveryNthRouter, "my_package.routers:EveryNthRouter")
```

From then on `router: {type: every_nth, k: 2}` is checked, completed and explained like what is
built in. The builder is a callable, or `"module:attribute"`, which is imported when it is first
needed, so that `sparse-keras list` need not wait for Keras.

Three ways bring a plug-in in, and no config is one of them: `import` in Python, `--import MODULE`
on the command line, and the entry point group `sparse_keras.plugins` of an installed package:

```ini
[options.entry_points]
sparse_keras.plugins =
    my_package = my_package.sparse_keras_plugin
sparse_keras.configs =
    my_package = my_package.configs
```

The second group contributes a package's folder of configs, listed as `my_package/...`.
"""

import functools
import importlib
import sys
import warnings
from importlib import metadata
from pathlib import Path

from sparse_keras._internal import builders
from sparse_keras.schema.config import Config
from sparse_keras.schema.core.choice import rebuild, tag
from sparse_keras.schema.sections.data import DATASETS
from sparse_keras.schema.sections.experts import EXPERTS
from sparse_keras.schema.sections.models import MODELS
from sparse_keras.schema.sections.routers import ROUTERS

PLUGINS = "sparse_keras.plugins"
_imported = []


def register_router(section, builder):
    """Registers a router.

    Args:
        section: A `schema.Section` class with a docstring. Its `type: Literal[name]` has the name
            as its default, and every field a description:

                class EveryNthRouter(Section):
                    "Experts in turn."

                    type: Literal["every_nth"] = Field("every_nth", description="Experts in turn.")
                    k: int = Field(1, ge=1, description="Experts that see each row.")

        builder: Called with the section's values (all but `type`), returns a `layers.Router`. Or
            where it is: `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(ROUTERS, "router", section, builder)


def register_experts(section, builder):
    """Registers an expert bank.

    Args:
        section: As for `register_router`, derived from `schema.ExpertsSection`, which has
            `num_experts`.
        builder: Called with the section's values and `dtype`, returns a `layers.Experts`. Or where
            it is: `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(EXPERTS, "experts", section, builder)


def register_model(section, builder):
    """Registers a model, of tables or of other data.

    Args:
        section: As for `register_router`, derived from `schema.ModelSection`. A model without
            experts says so by `HAS_EXPERTS = False`, and one that can learn several tasks at once
            by `SEVERAL_TASKS = True`.
        builder: Called with the section's values and, of the data, `inputs` (of a table a
            `data.TableInputs`) and `task` (a `tasks.Task`, whose `head` adds the last layers).
            Returns an uncompiled `keras.Model`. Or where it is: `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(MODELS, "model", section, builder)


def register_dataset(section, builder):
    """Registers a data set.

    Args:
        section: As for `register_router`. Of a table it derives from `schema.TableSection`, which
            has the keys that all tables share; of other data from `schema.DataSection`.
        builder: Of a table: called with the validated section, returns a `data.RawTable`, whose
            target `data.infer_target(frame["column"])` finds. Of other data: called with the
            section, `batch_size` and `seed`, returns a `data.Dataset`. Or where it is:
            `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(DATASETS, "data", section, builder)


def import_plugin(module):
    """Imports a module that registers plug-ins, from the working directory too.

    Args:
        module: Its name, such as `"my_package.my_routers"`.

    Raises:
        ValueError: If it cannot be imported.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # As `python -m` does; a console script does not.
    try:
        importlib.import_module(module)
    except Exception as error:
        raise ValueError(f"--import {module}: {type(error).__name__}: {error}") from error
    if module not in _imported:
        _imported.append(module)


def imported_plugins():
    """The modules that `import_plugin` imported, which whoever repeats a run has to import too."""
    return tuple(_imported)


@functools.cache
def load_installed():
    """Imports the plug-ins of installed packages, once. A broken one is told, and left out."""
    for entry in metadata.entry_points(group=PLUGINS):
        try:
            entry.load()
        except Exception as error:
            warnings.warn(
                f"The sparse_keras plug-in {entry.name!r} ({entry.value}) cannot be imported: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )


def _register(choice, kind, section, builder):
    _check(choice, section, builder)
    choice.add(section)
    builders.add(kind, tag(section), builder)
    rebuild(Config)


def _check(choice, section, builder):
    what = f"The section of a plug-in ({choice.kind})"
    if not (isinstance(section, type) and issubclass(section, choice.base)):
        base = choice.base.__name__
        raise ValueError(f"{what} must derive from sparse_keras.schema.{base}. Got: {section!r}.")
    try:
        name = tag(section)
    except (KeyError, ValueError, TypeError):
        raise ValueError(
            f"{what} must have a field with one name, such as `type: Literal['mine'] = "
            f"Field('mine', description='...')`. Got: {section.__name__}."
        ) from None
    if section.model_fields["type"].is_required():
        raise ValueError(f"{what} must have a default for `type`. {section.__name__} has none.")
    if not section.__doc__:
        raise ValueError(f"{what} needs a docstring, which says what it is: {section.__name__}.")
    bare = [key for key, field in section.model_fields.items() if not field.description]
    if bare:
        raise ValueError(
            f"Every field needs a description. {section.__name__} has none for {bare}."
        )
    is_reference = isinstance(builder, str) and builder.count(":") == 1
    if not (callable(builder) or is_reference):
        raise ValueError(
            f"The builder of {name!r} must be callable, or a string 'module:attribute'. "
            f"Got: {builder!r}."
        )
