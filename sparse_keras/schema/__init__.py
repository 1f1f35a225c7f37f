"""YAML text -> validated, immutable `Config`.

Knows nothing of Keras and imports nothing else of ours, so that configs can be listed and checked
in a fraction of a second. The files, from the bottom up:

    errors.py    where a mistake is and how it is told
    text.py      YAML text -> a tree of values that remember their line and column
    section.py   what every section shares: strict types, rules between keys, `kwargs()`
    choice.py    a choice by `type`, to which plug-ins may add
    experts.py, routers.py, models.py, data.py, optimizers.py, training.py
                 the sections, one file a concern
    config.py    the whole config
    explain.py   pydantic's findings -> errors with a position and a suggestion
    zoo.py       the shipped configs, those of plug-ins, and their names
    plugins.py   `register_router` and the like, and where plug-ins come from
    loading.py   `load_config`: name or path -> Config, with `extends` and overrides
"""

from sparse_keras.schema.config import Config
from sparse_keras.schema.core.data_section import DataSection
from sparse_keras.schema.core.errors import ConfigError
from sparse_keras.schema.core.model_section import ModelSection
from sparse_keras.schema.core.section import Section
from sparse_keras.schema.loading import ConfigEntry, list_configs, load_config
from sparse_keras.schema.sections.experts import ExpertsSection
from sparse_keras.schema.sections.tabular.table import TableSection
from sparse_keras.schema.zoo import find_configs

__all__ = [
    "Config",
    "ConfigEntry",
    "ConfigError",
    "DataSection",
    "ExpertsSection",
    "ModelSection",
    "Section",
    "TableSection",
    "find_configs",
    "list_configs",
    "load_config",
]
