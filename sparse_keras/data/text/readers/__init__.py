"""Where texts come from: one reader a file, each `read(options)` of the config's `data` section.

Readers in `CORPORA` return a `Corpus`, those in `LABELLED_TEXTS` a `LabelledTexts`.
"""

from sparse_keras._internal.builders import Builders

CORPORA = Builders("data", {})
LABELLED_TEXTS = Builders("data", {})

__all__ = ["CORPORA", "LABELLED_TEXTS"]
