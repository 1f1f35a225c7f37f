"""The whole config: its sections and its identity."""

import glob
import hashlib
import io
import json
import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr
from ruamel.yaml import YAML

from sparse_keras._internal.printable import shortened
from sparse_keras.schema.core.errors import Mark
from sparse_keras.schema.core.section import BrokenRules, Exactly1, Section
from sparse_keras.schema.sections.data import DataConfig
from sparse_keras.schema.sections.models import ModelConfig
from sparse_keras.schema.sections.optimizers import OptimizerConfig
from sparse_keras.schema.sections.training import TrainingConfig


def check_config(config: object) -> None:
    """Raises a `ValueError` that says how to make a config if an argument is not a `Config`."""
    if isinstance(config, Config):
        return
    received = shortened(repr(config))
    if isinstance(config, (str, os.PathLike)):
        advice = f"load_config({os.fspath(config)!r}) reads it if it is a config's name or path."
        if os.fspath(config).endswith(".keras"):
            advice = f"load_model({os.fspath(config)!r}) loads a model."
    elif isinstance(config, Mapping):
        advice = "`schema.Config(**values)` makes a config from values."
    else:
        advice = "`load_config(name_or_path)` returns one."
    raise ValueError(f"Expected a sparse_keras.schema.Config. Received: {received}. {advice}")


class Config(Section):
    """A validated, immutable config, as `sparse_keras.load_config` returns it."""

    version: Annotated[Literal[1], Exactly1] = Field(
        description="Version of the config format. Always 1."
    )
    description: str = Field("", description="One sentence, which `sparse-keras list` shows.")
    data: DataConfig | None = Field(
        None, description="The data to train on. Null: this config is a base that others extend."
    )
    model: ModelConfig = Field(description="The architecture.")
    optimizer: OptimizerConfig | None = Field(
        None, description="The optimizer. Null: the model is built but not compiled."
    )
    training: TrainingConfig = Field(
        default_factory=TrainingConfig, description="How to train the model."
    )

    _name: str = PrivateAttr("unnamed")
    _reference: str | None = PrivateAttr(None)
    _overrides: tuple[str, ...] = PrivateAttr(())
    _source_text: str | None = PrivateAttr(None)
    _marks: dict = PrivateAttr(default_factory=dict)

    @property
    def name(self) -> str:
        """The zoo name, or the file's name without `.yaml`."""
        return self._name

    @property
    def reference(self) -> str | None:
        """What `load_config` got: a zoo name or a path. None for a config made in Python."""
        return self._reference

    @property
    def overrides(self) -> tuple[str, ...]:
        """The `PATH=VALUE` overrides that `load_config` got."""
        return self._overrides

    @property
    def source_text(self) -> str:
        """The YAML text of the config's own file, without what `extends` and overrides add."""
        return self.to_yaml() if self._source_text is None else self._source_text

    def mark(self, *path: str) -> Mark | None:
        """The position at which the value at a path was given, a `Mark`. None for a default."""
        return self._marks.get(path)

    @property
    def hash(self) -> str:
        """The identity of the config: SHA-256 of the canonical JSON of `values()`."""
        canonical = json.dumps(self.values(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def values(self, **kwargs: Any) -> dict[str, Any]:
        """The resolved values, as JSON has them.

        The description is left out, since it changes nothing, and so are the folders of data files,
        so that a project may move, and defaults of keys that were `ADDED` later. Keyword arguments
        are those of `model_dump`.
        """
        return self.model_dump(
            mode="json", exclude={"description"}, context={"identity": True}, **kwargs
        )

    def renamed(self, name: str) -> "Config":
        """The same config under another name, as if made in Python."""
        renamed = self.model_copy()
        renamed._name = name
        renamed._reference, renamed._overrides, renamed._source_text = None, (), None
        renamed._marks = {}
        return renamed

    def files(self) -> dict[str, str]:
        """The absolute paths of data files, by the paths of their keys, such as `data.path`."""
        return {key: path for key, path, _ in self._files()}

    def missing_files(self) -> dict[str, str]:
        """Those of `files` that are not there, also as a folder or a pattern where that may be."""
        return {
            key: path
            for key, path, may_be_folder in self._files()
            if not os.path.isfile(path)
            and not (may_be_folder and (os.path.isdir(path) or glob.glob(path, recursive=True)))
        }

    def _files(self):
        for path, section in self.sections():
            unused = section.unused()
            for key in section.FILES:
                path_of_key = getattr(section, key)
                # The name of a published checkpoint is no path.
                is_file = path_of_key is not None and os.path.isabs(path_of_key)
                if is_file and key not in unused:
                    name = ".".join((*path, key))
                    yield name, getattr(section, key), key in section.FOLDERS

    def to_yaml(self, folder: str | os.PathLike | None = None) -> str:
        """The resolved config as YAML: every value in force, defaults included.

        Args:
            folder: The folder that the text is for. The paths of data files are then relative to
                it, so that both may move together, unless they share no folder. `None` for absolute
                paths.
        """
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False
        stream = io.StringIO()
        context = None if folder is None else {"folder": os.path.abspath(folder)}
        yaml.dump(self.model_dump(mode="json", context=context), stream)
        return stream.getvalue()

    def rules(self) -> BrokenRules:
        for section in self.inner_sections():
            yield from section.rules_with(self)
