"""The document of a page, and its parts, as strings of HTML.

All that comes from data (names of columns, classes, files) goes through `text` or `breakable`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sparse_keras._internal.pages.style import STYLE

_HEAD = """<!doctype html>
{mark}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
"""  # noqa: E501


def document(title: str, mark: str, parts: Iterable[str]) -> str:
    """Joins the parts of a page.

    Args:
        title: The title of the window, as text.
        mark: A comment in HTML that says what wrote the page.
        parts: The HTML of the body.
    """
    head = _HEAD.format(mark=mark, title=text(title), style=STYLE)
    # A number and its sign stay on one line.
    body = "\n".join(parts).replace(" %", "&nbsp;%")
    return f"{head}{body}\n</main>\n</body>\n</html>\n"


def text(value: Any) -> str:
    """Text as HTML."""
    return html.escape(str(value))


def breakable(value: Any) -> str:
    """Text as HTML in which long names break at slashes and underscores."""
    return re.sub(r"\S{20,}", lambda name: re.sub("([/_])", r"\1<wbr>", name[0]), text(value))


def prose(value: Any) -> str:
    """Text as HTML, in which names break as in `breakable`, and `code` stands in backticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", breakable(value))


def table(head: str, rows: str, label: str, kind: str = "full") -> str:
    """A table that scrolls sideways, by touch and by keyboard, where it is too wide.

    Args:
        head: HTML of the header cells.
        rows: HTML of the rows.
        label: Its name for screen readers.
        kind: Its CSS class.
    """
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">'
        f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def heads(*names: Any) -> str:
    """Header cells of columns."""
    return "".join(f'<th scope="col">{text(name)}</th>' for name in names)


def row(name: str, cells: Iterable[Any], kind: str = "") -> str:
    """A row of a table.

    Args:
        name: HTML of its header cell.
        cells: The other cells, as text.
        kind: Its CSS class.
    """
    kind = f' class="{kind}"' if kind else ""
    cells = "".join(f"<td>{text(cell)}</td>" for cell in cells)
    return f'<tr{kind}><th scope="row">{name}</th>{cells}</tr>'


def verdict_list(verdicts: Iterable[Any]) -> str:
    """Sentences, each with a sign: objects with a `kind`, "good", "bad" or "so", and a `text`."""
    items = "".join(
        f'<li class="{verdict.kind}">{prose(verdict.text)}</li>' for verdict in verdicts
    )
    return f'<ul class="verdicts">{items}</ul>'


def facts(pairs: Sequence[tuple[str, str]], label: str) -> str:
    """Names and what they are, of which those are HTML; a table in two columns."""
    rows = "".join(
        f'<tr><th scope="row">{text(name)}</th><td class="text">{value}</td></tr>'
        for name, value in pairs
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">'
        f'<table class="full facts"><tbody>{rows}</tbody></table></div>'
    )


def card(title: str, caption: str, body: str, wide: bool = False) -> str:
    """A figure with a title and a caption.

    Args:
        title: The title, as text.
        caption: HTML.
        body: HTML.
        wide: Whether it takes the whole width of the page.
    """
    kind = "card wide" if wide else "card"
    return (
        f'<figure class="{kind}"><h3>{text(title)}</h3><figcaption>{caption}</figcaption>{body}'
        "</figure>"
    )


def cards(figures: Iterable[str], kind: str = "") -> str:
    """Figures beside each other where there is space; at most two of the kind "two"."""
    return f'<div class="cards{f" {kind}" if kind else ""}">{"".join(figures)}</div>'


def section(title: str, body: str, anchor: str = "") -> str:
    """A card with a heading, to which `#anchor` links."""
    place = f' id="{anchor}"' if anchor else ""
    return f'<section class="card"{place}><h2>{text(title)}</h2>{body}</section>'


def chapter(title: str, body: str, anchor: str) -> str:
    """A heading with cards below it, to which `#anchor` links."""
    return f'<section id="{anchor}"><h2>{breakable(title)}</h2>{body}</section>'


def links(anchors: Iterable[tuple[str, str]]) -> str:
    """Links to parts of the page: pairs of an anchor and a name."""
    items = [f'<a href="#{anchor}">{text(name)}</a>' for anchor, name in anchors]
    return f"<nav>{''.join(items)}</nav>"


def paragraph(value: Any, kind: str = "") -> str:
    """A paragraph of text."""
    kind = f' class="{kind}"' if kind else ""
    return f"<p{kind}>{prose(value)}</p>"


def folded(content: str, summary: str = "Numbers") -> str:
    """Content that is shown when its summary is pressed."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>"


def command(line: str) -> str:
    """A command line, to be copied."""
    return f"<pre><code>{text(line)}</code></pre>"
