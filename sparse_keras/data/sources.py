"""The sources of all data sets, by the name of their `data.type`. See `download/sources.py`.

A new kind of data adds its own sources here.
"""

from sparse_keras.data.download.sources import FromPlugin, Source
from sparse_keras.data.tabular.sources import SOURCES as TABLES
from sparse_keras.data.text.sources import SOURCES as TEXTS

SOURCES: dict[str, Source] = {**TABLES, **TEXTS}


def source_of(name: str) -> Source:
    """Returns the source of a data set. Data sets that are not ours come from plug-ins."""
    return SOURCES.get(name, FromPlugin())
