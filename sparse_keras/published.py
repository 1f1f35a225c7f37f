"""The published results: one JSON file under `results/` for each config, written by a command.

`benchmarks/quality.py` writes them, the README shows them, and `sparse-keras train` prints them
beside its own.
"""

import json

from sparse_keras._shipped import shipped_folder


def published_result(config_name):
    """What was published for a shipped config.

    Args:
        config_name: Name of the config.

    Returns:
        The file's content, or None if there is none. `"config_hash"` says which values of the
        config it was measured with, and `"models"` holds, for each model, its metrics on the test
        rows: `{"mean": ..., "std": ..., "values": [one for each seed]}`.
    """
    file = shipped_folder("results") / f"{config_name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
