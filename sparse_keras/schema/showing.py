"""A config as YAML in which a comment says where each value comes from."""

import io
import os

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

_COMMENT_COLUMN = 48
_NULL = "tag:yaml.org,2002:null"


def annotated_yaml(config, full=False):
    """The resolved config, with the origin of each value as a comment.

    Args:
        config: A `Config` from `load_config`.
        full: Whether to show the values that are defaults, too.

    Returns:
        YAML text, which `load_config` reads to an equal config.
    """
    content = _annotated(config, config.model_dump(mode="json"), (), full)
    yaml = YAML()
    yaml.width = 4096
    # Else null would be shown as nothing.
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
