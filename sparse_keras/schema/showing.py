"""A config as YAML, with the origin of each value as a comment."""

import io
import os

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from sparse_keras.schema.config import Config

_COMMENT_COLUMN = 48
_NULL = "tag:yaml.org,2002:null"


def annotated_yaml(config: Config, full: bool = False) -> str:
    """The resolved config, with the origin of each value as a comment.

    Args:
        config: A `Config` from `load_config`.
        full: Whether to include defaults.

    Returns:
        YAML text, from which `load_config` reads an equal config.
    """
    content = _annotated(config, config.model_dump(mode="json"), (), full)
    yaml = YAML()
    yaml.width = 4096
    # By default ruamel writes nothing for null.
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar(_NULL, "null")
    )
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _annotated(config, values, path, full):
    content = CommentedMap()
    for key, value in values.items():
        here = (*path, key)
        mark = config.mark(*here)
        if not full and mark is None:
            continue
        if isinstance(value, dict) and value:
            content[key] = _annotated(config, value, here, full)
            continue
        content[key] = _flow(value) if isinstance(value, (list, dict)) else value
        content.yaml_add_eol_comment(_origin(mark), key, column=_COMMENT_COLUMN)
    return content


def _flow(value):
    content = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
    content.fa.set_flow_style()
    return content


def _origin(mark):
    if mark is None:
        return "default"
    if not mark.source.lines:
        return mark.source.name
    return f"{os.path.basename(mark.source.name)}:{mark.line}"
