"""Tables of all kinds of columns, made from a seed: encoded alike wherever they are encoded."""

import string

import numpy as np
import pandas as pd

WORDS = "refund Straße naïve cancel İstanbul price 東京 late_fee x2 don't e-mail ½ été a".split()
KINDS = {
    "plain": None,
    "money": {"type": "numeric", "unit": ["$", "USD"], "thousands": ","},
    "share": {"type": "numeric", "unit": "%", "decimal": ","},
    "day": {"type": "date", "format": "%d/%m/%Y"},
    "time": {"type": "date", "format": ["%Y-%m-%dT%H:%M:%S%z", "%d.%m.%y %H:%M"]},
    "words": {"type": "text", "min_df": 1},
    "characters": {
        "type": "text", "ngram_max": 0, "char_ngram_max": 4, "min_df": 1, "sublinear_tf": False,
    },
    "both": {"type": "text", "ngram_max": 1, "char_ngram_max": 3, "min_df": 1, "max_features": 50},
    "category": None,
    "spelt": {"type": "categorical", "ignore_case": True},
}  # fmt: skip


def make_table(seed, rows=None, names=None):
    """Returns `(frame, kinds)`: a table of text cells, and the entries of `data.columns`.

    The target "y" is 0 or 1. Some cells of each column are missing.
    """
    rng = np.random.default_rng(seed)
    rows = rows or int(rng.integers(8, 60))
    if names is None:
        names = rng.permutation(list(KINDS))[: rng.integers(1, len(KINDS) + 1)]
    frame = pd.DataFrame({name: _column(name, rows, rng) for name in names}, dtype=object)
    for name in names:
        frame.loc[rng.random(rows) < 0.1, name] = rng.choice(["", "?", " nan ", "never"])
        frame.loc[0, name] = _column(name, 1, rng)[0]
    frame["y"] = np.arange(rows) % 2
    return frame, {name: KINDS[name] for name in names if KINDS[name]}


def _column(name, rows, rng):
    seconds = rng.integers(-3_000_000_000, 4_000_000_000, rows)
    times = pd.to_datetime(pd.Series(seconds), unit="s")
    if name == "plain":
        return [f"{value:.3g}" for value in rng.normal(0, 100, rows)]
    if name == "money":
        return [f"{rng.choice(['$', 'USD ', ''])}{value:,.2f}" for value in rng.gamma(1, 3e4, rows)]
    if name == "share":
        return [f"{value:.1f}".replace(".", ",") + " %" for value in rng.uniform(0, 100, rows)]
    if name == "day":
        return times.dt.strftime("%d/%m/%Y").tolist()
    if name == "time":
        recent = times + pd.Timedelta(days=20_000)
        recent = recent.where(recent.dt.year.between(1970, 2067), pd.Timestamp("2001-02-03 04:05"))
        return [
            when.strftime("%d.%m.%y %H:%M") if rng.random() < 0.5 else f"{when.isoformat()}+02:00"
            for when in recent
        ]
    if name == "spelt":
        return rng.choice(
            ["Basic", "BASIC ", "pro", "Straße", "STRASSE", "Été", "ÉTÉ"], rows
        ).tolist()
    if name == "category":
        return rng.choice(["S", "M", " L", "1.0", "True"], rows).tolist()
    return [_text(rng) for _ in range(rows)]


def _text(rng):
    words = [*rng.choice(WORDS, rng.integers(1, 8))]
    words += ["".join(rng.choice(list(string.ascii_letters + "-_ \t.\u00a0"), 6))]
    return str(rng.choice([" ", ", ", "\n", "  "])).join(words)
