"""A random sample of texts whose number and size are not known beforehand."""

from collections.abc import Iterable, Iterator

import numpy as np

_LIMIT = 5_000_000  # characters: a tokenizer that is trained on more is hardly better


def limited(texts: Iterable[str], limit: int = _LIMIT) -> Iterator[str]:
    """Yields texts, or a random sample of them in their order if they have too many characters.

    Each text has a random number, and those below a threshold are in the sample. Whenever it
    becomes too large, the threshold is halved: so each text has the same chance, and never more
    than the limit is in memory.

    Args:
        texts: Strings.
        limit: Maximum number of characters.
    """
    random, threshold, size = np.random.default_rng(0), 1.0, 0
    sample: list[tuple[float, str]] = []
    for text in texts:
        number = random.random()
        if number < threshold:
            sample.append((number, text[:limit]))
            size += len(text[:limit])
        while size > limit and len(sample) > 1:
            threshold /= 2
            sample = [(number, text) for number, text in sample if number < threshold]
            size = sum(len(text) for _, text in sample)
    yield from (text for _, text in sample)
