"""docs/inspect.md: what its example prints is what stands there, and its limits are the code's.

`python tests/test_inspect_page.py` writes it anew.
"""

import contextlib
import inspect
import io
import os
import re
from pathlib import Path

import pytest

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.cli.inspect import _MOST_CLASSES, _PARTS
from sparse_keras.inspection.association import ALPHA, MIN_EXAMPLES, MIN_LIFT
from sparse_keras.inspection.words import PAIR_DEVIATIONS, PAIR_RATIO, PAIR_TOKENS
from sparse_keras.layers.mixtures import routing_warnings as health

PAGE = Path(__file__).resolve().parents[2] / "docs" / "inspect.md"
EXAMPLE = re.compile(
    r"<!-- example -->\n```python\n(?P<code>.*?)```\n\n```text\n(?P<printed>.*?)```\n<!-- end", re.S
)


def printed(code):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, str(PAGE), "exec"), {})
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.tensorflow
def test_the_example_prints_what_stands_there():
    found = EXAMPLE.search(PAGE.read_text(encoding="utf-8"))
    assert printed(found["code"]) == found["printed"]
    assert "expert 1 serves 100 % of 'noun'" in " ".join(found["printed"].split())


WORDS = {5: "five", 6: "six", 10: "ten"}
WATCHING = (
    f"`collapse_above={ExpertLoad().collapse_above:g}`",
    f"`dropped_above={ExpertLoad().dropped_above:g}`",
    f"fewer than {WORDS[health.ENOUGH]} assignments for each expert",
)
OF_A_RUN = (
    f"cut into {WORDS[_PARTS]} parts",
    f"whole numbers of at most {_MOST_CLASSES} values",
)
CHANCE = (
    f"a test at {100 * ALPHA:g} %",
    f"at least {MIN_LIFT:g} times as large",
    f"{100 - 100 * ALPHA:g} times of 100",
    f"At least {WORDS[MIN_EXAMPLES]} examples",
    f"at least {PAIR_RATIO:g},",
    f"at least {WORDS[PAIR_DEVIATIONS]} standard deviations",
    f"at least {PAIR_TOKENS} tokens",
)
# What a number means, not where a limit is.
MEANINGS = ("0 is an even load, 1 the worst", "It is 1 by chance", "dropped_above: 0.02")
NUMBER = re.compile(r"\b(\d+(\.\d+)?|two|three|five|six|seven|eight|nine|ten|twelve|twenty)\b")


@pytest.mark.parametrize(
    "title, limits",
    [("While it trains", WATCHING), ("A trained run", OF_A_RUN), ("What is chance", CHANCE)],
)
def test_its_limits_are_those_of_the_code(title, limits):
    text = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    text = " ".join(text.split())
    for limit in limits:
        assert text.count(limit) == 1, limit
        text = text.replace(limit, "")
    for meaning in (*MEANINGS, "two experts", "Two experts"):
        text = text.replace(meaning, "")
    # Else a limit stands there that nobody looks after.
    assert not NUMBER.search(text), NUMBER.search(text)


def test_inspect_and_training_judge_alike():
    parameters = inspect.signature(health.complaints).parameters
    for name in ("collapse_above", "dropped_above"):
        assert parameters[name].default == getattr(ExpertLoad(), name)
    assert f"fewer than {WORDS[health.ENOUGH]} assignments" in ExpertLoad.__doc__


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    text = PAGE.read_text(encoding="utf-8")
    found = EXAMPLE.search(text)
    start, end = found.span("printed")
    PAGE.write_text(text[:start] + printed(found["code"]) + text[end:], encoding="utf-8")
