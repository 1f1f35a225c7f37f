"""RoutingWriter: writes statistics of the routing for TensorBoard, as scalars and histograms.

It uses the package `tensorboard`, which does not need TensorFlow, and works on every backend.
"""

import os
import time
from collections.abc import Iterable
from typing import Any

import numpy as np


class RoutingWriter:
    """Writes the statistics of gates to a folder of TensorBoard logs.

    Args:
        folder: The folder.

    Raises:
        ValueError: If `tensorboard` is not installed.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        check_installed()
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))

    def write(self, path: str, summary: dict[str, Any], names: Iterable[str], step: int) -> None:
        """Writes the statistics of one gate for one epoch.

        Args:
            path: The gate's path, the first part of the tags.
            summary: Its statistics, from `statistics.summarize`.
            names: The statistics to write as scalars. Those that are NaN are skipped.
            step: The epoch.
        """
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        for name in names:
            if np.isfinite(summary[name]):  # NaN: the gate got no token.
                self._add(scalar_pb(f"{path}/{name}", summary[name]), step)
        if summary["assigned"] > 0:
            self._add(_load_histogram(f"{path}/load", summary["load"]), step)

    def _add(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(step=step, wall_time=time.time(), summary=summary))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _load_histogram(tag: str, load: np.ndarray) -> Any:
    """Makes a histogram whose bar e, from e to e + 1, is as high as the load of expert e."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.histogram.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    left = np.arange(len(load), dtype="float64")
    about = create_summary_metadata(
        display_name=None,
        description="Bar e is expert e; its height is the expert's share of all assignments.",
    )
    summary = Summary()
    bars = np.stack([left, left + 1, load], axis=1)
    summary.value.add(tag=tag, metadata=about, tensor=make_tensor_proto(bars, dtype="float64"))
    return summary


def check_installed() -> None:
    """Raises a ValueError unless `tensorboard` is installed."""
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ValueError(
            "Logs for TensorBoard need another package: pip install tensorboard"
        ) from None
