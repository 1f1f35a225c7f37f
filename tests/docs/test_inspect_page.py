"""docs/inspect.md: the printed output of its example and its limits are those of the code.

`python -m tests.docs.test_inspect_page` writes the output anew.
"""

import contextlib
import inspect
import io
import os
import re
from pathlib import Path

import pytest

from sparse_keras._internal.column_labels import MOST_CLASSES, PARTS
from sparse_keras.callbacks import ExpertLoad
from sparse_keras.inspection.association import ALPHA, MIN_EXAMPLES, MIN_LIFT
from sparse_keras.inspection.inspect_tokens import MAX_TOKENS
from sparse_keras.inspection.words import (
    MODERATE,
    PAIR_DEVIATIONS,
    PAIR_RATIO,
    PAIR_TOKENS,
    STRONG,
)
from sparse_keras.layers.mixtures.routing_warnings import ENOUGH, routing_problems

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
def test_the_example_prints_what_the_page_shows():
    example = EXAMPLE.search(PAGE.read_text(encoding="utf-8"))
    assert printed(example["code"]) == example["printed"]
    assert "expert 1 serves 100 % of 'noun'" in " ".join(example["printed"].split())


WORDS = {5: "five", 6: "six", 10: "ten"}
TRAINING = (
    f"`collapse_above={ExpertLoad().collapse_above:g}`",
    f"`dropped_above={ExpertLoad().dropped_above:g}`",
    f"fewer than {WORDS[ENOUGH]} assignments per expert",
)
RUN = (
    f"cut into {WORDS[PARTS]} parts",
    f"whole numbers of at most {MOST_CLASSES} values",
)
CHANCE = (
    f"a test at {100 * ALPHA:g} %",
    f"at least {MIN_LIFT:g} times as large",
    f"{100 - 100 * ALPHA:g} times of 100",
    f"At least {WORDS[MIN_EXAMPLES]} examples",
    f"at least {PAIR_RATIO:g},",
    f"at least {WORDS[PAIR_DEVIATIONS]} standard deviations",
    f"at least {PAIR_TOKENS} tokens",
    f"weak below {MODERATE:g}, strong from {STRONG:g} on",
)
TEXTS = (f"at most {MAX_TOKENS:,} tokens are read",)
# What a number means, not where a limit is.
MEANINGS = (
    "0 is an even load, 1 the worst",
    "The ratio is 1 by chance",
    "dropped_above: 0.02",
    "to_frame(0)",
    "inspection[0]",
)
NUMBER = re.compile(r"\b(\d+(\.\d+)?|two|three|five|six|seven|eight|nine|ten|twelve|twenty)\b")


@pytest.mark.parametrize(
    "title, limits",
    [
        ("While it trains", TRAINING),
        ("A trained run", RUN),
        ("Texts", TEXTS),
        ("What is chance", CHANCE),
    ],
)
def test_its_limits_are_those_of_the_code(title, limits):
    text = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    text = " ".join(text.split())
    for limit in limits:
        assert text.count(limit) == 1, limit
        text = text.replace(limit, "")
    for meaning in (*MEANINGS, "two experts", "Two experts", "two shares"):
        text = text.replace(meaning, "")
    # Otherwise the page states a limit that no test compares with the code.
    assert not NUMBER.search(text), NUMBER.search(text)


def test_inspect_and_training_judge_alike():
    parameters = inspect.signature(routing_problems).parameters
    for name in ("collapse_above", "dropped_above"):
        assert parameters[name].default == getattr(ExpertLoad(), name)
    assert f"fewer than {WORDS[ENOUGH]} assignments" in ExpertLoad.__doc__


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    text = PAGE.read_text(encoding="utf-8")
    example = EXAMPLE.search(text)
    start, end = example.span("printed")
    PAGE.write_text(text[:start] + printed(example["code"]) + text[end:], encoding="utf-8")
