"""From YAML text to a validated, immutable `Config`.

The schema imports neither Keras nor any other part of the package but `_internal`, so that configs
can be listed and checked in a fraction of a second. The files, from the bottom up:

    core/errors.py          errors with a position and the source line
    core/text.py            YAML text to a tree of values that remember their line and column
    core/section.py         what every section shares: strict types, rules, `kwargs()`
    core/model_section.py, core/data_section.py
                            what others may ask of the section of a model or of a data set
    core/choice.py          a choice by `type`, to which plug-ins may add
    sections/               the sections, a file for each concern; those of tables in `tabular/`
    config.py               the whole config
    explain.py              pydantic's errors to errors with a position and a suggestion
    zoo.py                  the names and files of the shipped configs, and of those of plug-ins
    plugins.py              `register_router` and the like, and the import of plug-ins
    loading.py              `load_config`: a name or a path to a `Config`
    showing.py, reference.py, json_schema.py
                            a config with the origin of each value, the keys as Markdown, and as
                            JSON Schema

A rule between keys stands in the section that it is about: `Section.rules` for its own keys,
`Section.rules_with` for other sections.
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
