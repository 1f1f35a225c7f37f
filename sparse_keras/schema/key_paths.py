"""The keys of a config by their name: `epochs` is `training.epochs`."""

from collections.abc import Iterator

from sparse_keras.schema.config import Config
from sparse_keras.schema.core.choice import sections_of
from sparse_keras.schema.core.section import Section

_ALIASES = {"lr": "learning_rate", "wd": "weight_decay"}


def paths_of(name: str, config: Config | None = None) -> list[str]:
    """Returns the dotted paths of the keys with a name, the shortest first.

    Args:
        name: The name of a key, or its path or the end of that, with dots, hyphens or underscores:
            `epochs`, `training.epochs`, `batch-size`. The name of a section stands for its `type`.
        config: A `Config`, of whose sections to choose. `None`: keys of all configs.
    """
    name = name.replace("-", "_").replace(".", "_").lower()
    name = _ALIASES.get(name, name)
    found = {}
    for path in key_paths(config):
        keys = path[:-1] if path[-1] == "type" and len(path) > 1 else path
        if any(name == "_".join(keys[start:]) for start in range(len(keys))):
            found[".".join(path)] = len(path)
    return sorted(found, key=lambda path: (found[path], path))


def key_paths(config: Config | None = None) -> Iterator[tuple[str, ...]]:
    """Yields the path of each key that has a value, not a section.

    Args:
        config: A `Config`, for keys of the sections that it has. `None`: keys of all configs, some
            of them several times.
    """
    yield from _paths_of_all(Config, ()) if config is None else _paths_in(config, ())


def _paths_in(section, path):
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            yield from _paths_in(value, (*path, key))
        elif value is not None or not sections_of(field):
            yield (*path, key)


def _paths_of_all(section, path):
    for key, field in section.model_fields.items():
        inner = sections_of(field)
        for each in inner:
            yield from _paths_of_all(each, (*path, key))
        if not inner:
            yield (*path, key)
