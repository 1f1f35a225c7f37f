"""Self-contained pages of HTML: no network, no scripts, light or dark like the reader's system.

    style.py    the style sheet
    html.py     the document, and its parts: cards, tables, lists
    charts.py   SVG shapes that stretch with the page, beside HTML text that does not

What the pages show is in `inspection/page.py` and `reporting/page.py`.
"""
