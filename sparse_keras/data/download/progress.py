"""A bar that shows how far a download is."""

import contextlib


@contextlib.contextmanager
def download_bar(name):
    """Yields a function of (bytes there, bytes in all) that shows a bar from its first call on."""
    bar = None

    def report(done, total):
        nonlocal bar
        if bar is None:
            # Only where something is downloaded: the import takes its time.
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TransferSpeedColumn,
            )

            columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            bar = Progress(*columns, console=Console(stderr=True))
            bar.add_task(name)
            bar.start()
        bar.update(bar.task_ids[0], completed=done, total=total)

    try:
        yield report
    finally:
        if bar is not None:
            bar.stop()
