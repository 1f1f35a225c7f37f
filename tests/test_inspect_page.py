"""docs/inspect.md: what its example prints is what stands there.

`python tests/test_inspect_page.py` writes it anew.
"""

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "inspect.md"
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


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    text = PAGE.read_text(encoding="utf-8")
    found = EXAMPLE.search(text)
    start, end = found.span("printed")
    PAGE.write_text(text[:start] + printed(found["code"]) + text[end:], encoding="utf-8")
