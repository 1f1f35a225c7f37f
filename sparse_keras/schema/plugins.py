"""Routers, expert banks, models and data sets of your own, by name in a config.

A plug-in consists of a section, which defines its keys, and a builder, which gets their values:

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

From then on `router: {type: every_nth, k: 2}` is validated, completed and documented like a
built-in router. The builder is a callable, or `"module:attribute"`, which is imported on first use,
so that `sparse-keras list` does not import Keras.

There are three ways to load a plug-in: `import` in Python, `--import MODULE` on the command line,
and the entry point group `sparse_keras.plugins` of an installed package. A config cannot load one,
so that a config from a stranger cannot run code.

```ini
[options.entry_points]
sparse_keras.plugins =
    my_package = my_package.sparse_keras_plugin
sparse_keras.configs =
    my_package = my_package.configs
```

The second group adds the configs in a folder of the package, under the names `my_package/...`.
"""

import functools
import importlib
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from sparse_keras._internal import builders
from sparse_keras.schema.config import Config
from sparse_keras.schema.core.choice import rebuild, tag
from sparse_keras.schema.core.data_section import DataSection
from sparse_keras.schema.core.model_section import ModelSection
from sparse_keras.schema.core.section import Section
from sparse_keras.schema.sections.data import DATASETS
from sparse_keras.schema.sections.experts import EXPERTS, ExpertsSection
from sparse_keras.schema.sections.models import MODELS
from sparse_keras.schema.sections.routers import ROUTERS

PLUGINS = "sparse_keras.plugins"
Builder = Callable[..., Any] | str
_imported: list[str] = []


def register_router(section: type[Section], builder: Builder) -> None:
    """Registers a router.

    Args:
        section: A `schema.Section` class with a docstring, a field `type: Literal[name]` whose
            default is the name, and a description of every field:

                class EveryNthRouter(Section):
                    "Experts in turn."

                    type: Literal["every_nth"] = Field("every_nth", description="Experts in turn.")
                    k: int = Field(1, ge=1, description="Experts that see each row.")

        builder: A callable that takes the values of the section, except `type`, as keyword
            arguments, and returns a `layers.Router`; or its location, `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(ROUTERS, "router", section, builder)


def register_experts(section: type[ExpertsSection], builder: Builder) -> None:
    """Registers an expert bank.

    Args:
        section: As for `register_router`, derived from `schema.ExpertsSection`, which has
            `num_experts`.
        builder: A callable that takes the values of the section and `dtype` as keyword arguments,
            and returns a `layers.Experts`; or its location, `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(EXPERTS, "experts", section, builder)


def register_model(section: type[ModelSection], builder: Builder) -> None:
    """Registers a model, of tables or of other data.

    Args:
        section: As for `register_router`, derived from `schema.ModelSection`. A model without
            experts sets `HAS_EXPERTS = False`; a model that can learn several tasks at once sets
            `SEVERAL_TASKS = True`. Override `dense_twin` to have it compared with its dense twin.
        builder: A callable that takes the values of the section, `inputs` (for a table, a
            `data.TableInputs`) and `task` (a `tasks.SingleTask`, whose `head` adds the last layers)
            as keyword arguments, and returns an uncompiled `keras.Model`; or its location,
            `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(MODELS, "model", section, builder)


def register_dataset(section: type[DataSection], builder: Builder) -> None:
    """Registers a data set.

    Args:
        section: As for `register_router`. For a table, derived from `schema.TableSection`, which
            has the keys that all tables share; for other data, from `schema.DataSection`.
        builder: For a table, a callable that takes the validated section and returns a
            `data.RawTable`, whose target `data.infer_target(frame["column"])` makes. For other
            data, a callable that takes the section, `batch_size` and `seed`, and returns a
            `data.Dataset`. Or its location, `"module:attribute"`.

    Raises:
        ValueError: If the section is not as described, or the name is taken.
    """
    _register(DATASETS, "data", section, builder)


def import_plugin(module: str) -> None:
    """Imports a module that registers plug-ins; it may be in the working directory.

    Args:
        module: The name of the module, such as `"my_package.my_routers"`.

    Raises:
        ValueError: If it cannot be imported.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # `python -m` does this; a console script does not.
    try:
        importlib.import_module(module)
    except Exception as error:
        raise ValueError(f"--import {module}: {type(error).__name__}: {error}") from error
    if module not in _imported:
        _imported.append(module)


def imported_plugins() -> tuple[str, ...]:
    """The modules that `import_plugin` imported, which are needed to repeat a run."""
    return tuple(_imported)


@functools.cache
def load_installed() -> None:
    """Imports the plug-ins of installed packages, once.

    A plug-in that fails to import raises a warning and is skipped.
    """
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
        raise ValueError(
            f"{what} must derive from sparse_keras.schema.{base}. Received: {section!r}."
        )
    try:
        name = tag(section)
    except (KeyError, ValueError, TypeError):
        raise ValueError(
            f"{what} must have a field `type` with a single name, such as `type: Literal['mine'] = "
            f"Field('mine', description='...')`. Received: {section.__name__}."
        ) from None
    if section.model_fields["type"].is_required():
        raise ValueError(f"{what} must have a default for `type`. {section.__name__} has none.")
    if not section.__doc__:
        raise ValueError(f"{what} must have a docstring. {section.__name__} has none.")
    undescribed = [key for key, field in section.model_fields.items() if not field.description]
    if undescribed:
        raise ValueError(
            f"{what} must describe every field. {section.__name__} has no description of "
            f"{', '.join(undescribed)}."
        )
    is_reference = isinstance(builder, str) and builder.count(":") == 1
    if not (callable(builder) or is_reference):
        raise ValueError(
            f"The builder of {name!r} must be callable, or a string 'module:attribute'. "
            f"Received: {builder!r}."
        )
