"""Census-Income (KDD): 199,523 training and 99,762 test rows of 1994 and 1995, the official split.

Is a person's income above 50,000 dollars, and was the person never married? These are the two tasks
of the paper on multi-gate mixtures of experts (Ma et al., 2018).

Of the 41 columns of census-income.names, 39 are inputs, whatever is asked. Two are not: the
instance weight, which is about sampling, and the marital status, from which the second target is
made. The columns on household and taxes stay, though they almost reveal whether someone was
married; papers that drop them report lower figures for it.

The files lie in a source distribution on the package index.
"""

import io
import zipfile

import numpy as np
import pandas as pd

from sparse_keras._internal.atomic import replacing
from sparse_keras.data.download.fetch import cache_folder
from sparse_keras.data.tabular.missing import MISSING_STRINGS
from sparse_keras.data.tabular.multi_target import target_of
from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.sources import CENSUS_INCOME as ARCHIVE
from sparse_keras.data.tabular.targets import Target

_TRAIN, _TEST = ARCHIVE.members
# All columns of the files, by the names of census-income.names; the income is the last.
COLUMNS = (
    "age",
    "class of worker",
    "detailed industry recode",
    "detailed occupation recode",
    "education",
    "wage per hour",
    "enroll in edu inst last wk",
    "marital stat",
    "major industry code",
    "major occupation code",
    "race",
    "hispanic origin",
    "sex",
    "member of a labor union",
    "reason for unemployment",
    "full or part time employment stat",
    "capital gains",
    "capital losses",
    "dividends from stocks",
    "tax filer stat",
    "region of previous residence",
    "state of previous residence",
    "detailed household and family stat",
    "detailed household summary in household",
    "instance weight",
    "migration code-change in msa",
    "migration code-change in reg",
    "migration code-move within reg",
    "live in this house 1 year ago",
    "migration prev res in sunbelt",
    "num persons worked for employer",
    "family members under 18",
    "country of birth father",
    "country of birth mother",
    "country of birth self",
    "citizenship",
    "own business or self employed",
    "fill inc questionnaire for veteran's admin",
    "veterans benefits",
    "weeks worked in year",
    "year",
    "income",
)
# The seven that census-income.names calls continuous. Numbers in other columns are codes.
NUMERIC = (
    "age",
    "wage per hour",
    "capital gains",
    "capital losses",
    "dividends from stocks",
    "num persons worked for employer",
    "weeks worked in year",
)
TARGETS = (
    Target("income", "binary", ("<=50K", ">50K")),
    Target("never_married", "binary", ("no", "yes")),
)
TASKS = tuple(target.name for target in TARGETS)
_INCOMES = {"- 50000.": "<=50K", "50000+.": ">50K"}
# Part of the name of the cached file: other content needs another number.
_VERSION = 1


def read(options):
    """Returns Census-Income as a `RawTable`; what is not here yet is downloaded: 9 MB, once.

    Args:
        options: Anything with `tasks`: names of the targets to learn, None for both. The inputs are
            the same for each choice.

    Raises:
        FetchError: If the files are not here and cannot be downloaded.
    """
    target = target_of("census_income", TARGETS, options.tasks or TASKS)
    other = [name for name in TASKS if name not in target.columns]
    train, test = _read_cached()
    return RawTable("census_income", train.drop(columns=other), test.drop(columns=other), target)


def _read_cached():
    """The two tables: from a small file that is quick to read, written the first time."""
    cached = cache_folder() / f"census_income_{ARCHIVE.sha256[:12]}_{_VERSION}.npz"
    try:
        return _load(cached)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        pass  # Not there, or not whole.
    tables = [_convert(ARCHIVE.read(member)) for member in (_TRAIN, _TEST)]
    cached.parent.mkdir(parents=True, exist_ok=True)
    with replacing(cached) as partial:
        np.savez_compressed(partial, **_arrays(*tables))
    return _load(cached)


def _convert(content):
    """The table of a file: inputs as numbers or text, and the two targets."""
    frame = pd.read_csv(
        io.BytesIO(content),
        names=COLUMNS,
        dtype={name: "int64" if name in NUMERIC else str for name in COLUMNS},
        skipinitialspace=True,
        keep_default_na=False,
    )
    never_married = np.where(frame.pop("marital stat") == "Never married", "yes", "no")
    frame = frame.drop(columns="instance weight")
    frame["income"] = frame["income"].map(_INCOMES)
    return frame.assign(never_married=never_married)


def _arrays(train, test):
    """The tables as arrays: numbers, and for text the categories and the place of each row's."""
    arrays = {"train_rows": np.array(len(train))}
    for name in train.columns:
        both = pd.concat([train[name], test[name]], ignore_index=True)
        if name in NUMERIC:
            arrays[f"{name}:numbers"] = both.to_numpy("int32")
        else:
            places, categories = pd.factorize(both.mask(both.isin(MISSING_STRINGS)), sort=True)
            arrays[f"{name}:places"] = places.astype("int8")  # -1: missing
            arrays[f"{name}:categories"] = categories.to_numpy(dtype=str)
    return arrays


def _load(path):
    columns = {}
    with np.load(path) as arrays:
        rows = int(arrays["train_rows"])
        for name in (*COLUMNS, "never_married"):
            if f"{name}:numbers" in arrays:
                columns[name] = arrays[f"{name}:numbers"]
            elif f"{name}:places" in arrays:
                places, categories = arrays[f"{name}:places"], arrays[f"{name}:categories"]
                columns[name] = pd.Categorical.from_codes(places, categories.astype(object))
    frame = pd.DataFrame(columns)
    return frame[:rows], frame[rows:].reset_index(drop=True)
