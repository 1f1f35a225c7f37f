"""docs/report.md: its limits are those of the code."""

from pathlib import Path

import pytest

from sparse_keras.reporting import about, contenders, curves, importance, uncertainty, words

PAGE = Path(__file__).resolve().parents[2] / "docs" / "report.md"
COUNTS = {10: "ten"}


@pytest.mark.parametrize(
    "limit",
    [
        f"more than about {contenders.MOST_SECONDS} seconds",
        f"drawn {uncertainty.RESAMPLES} times with replacement",
        f"{uncertainty.MOST_DRAWN:,} rows at a time",
        f"shuffled among the rows, {importance.REPEATS} times",
        f"up to {importance.MOST_ROWS:,} test rows",
        f"more than {importance.MOST_COLUMNS} columns",
        f"more than {words.MATTERS:g} standard errors",
        f"in {COUNTS[curves.BINS]} groups",
        f"by {100 * words.OFF:g} points or more",
        "a quarter of the base rate" if words.OFF_OF_RATE == 0.25 else "?",
        f"up to {about.MOST_INSPECTED:,} rows",
    ],
)
def test_limits(limit):
    assert limit in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_the_screenshot_is_small():
    assert PAGE.with_name("report.png").stat().st_size < 150_000
