"""The encoding of a file of text."""

import codecs
import gzip

import pytest

from sparse_keras.data.encodings import encoding_of, is_decodable, readings, undecodable
from sparse_keras.data.tabular.sniffing import declared_separator, sniff_csv
from sparse_keras.data.tabular.table_files import iter_table, open_table, read_table, sample_rows

TEXT = "name;zip;x\nJürgen;00501;1,5\nZoë;12345;2,5\nMax;3;3,5\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.mark.parametrize(
    "content, options",
    [
        (TEXT.encode(), {}),
        (TEXT.encode("cp1252"), {"encoding": "cp1252"}),
        (TEXT.encode("utf-16"), {}),
        (TEXT.encode("utf-8-sig"), {"encoding": "cp1252"}),  # The mark decides.
        (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (("sep=;\r\n" + TEXT).encode("utf-8-sig"), {"separator": ","}),
        (('"sep=;"\n' + TEXT).encode("cp1252"), {"separator": "|", "encoding": "latin-1"}),
        (("SEP=;\n" + TEXT).encode("utf-16"), {"separator": ","}),
    ],
)
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_every_entrance_reads_the_same(write, content, options, name):
    path = write(content, name)
    options = {"separator": ";", "decimal": ",", **options}
    frame = read_table(path, **options)
    assert frame.to_dict("list") == {
        "name": ["Jürgen", "Zoë", "Max"],
        "zip": ["00501", "12345", "3"],
        "x": [1.5, 2.5, 3.5],
    }
    chunks = list(iter_table(path, 2, text=["zip"], **options))
    assert [chunk["name"].tolist() for chunk in chunks] == [["Jürgen", "Zoë"], ["Max"]]
    assert chunks[1]["zip"].tolist() == ["3"] and list(chunks[1].index) == [2]
    sample = sample_rows(open_table(path, **options), 3, seed=0, chunk_rows=2)
    assert sample.equals(frame)
    assert sniff_csv(path, options.get("encoding", "utf-8")) == (";", ",")


def test_where_a_file_is_not_utf8(write):
    content = TEXT.encode("cp1252")
    with pytest.raises(ValueError) as error:
        read_table(write(content), separator=";")
    position = content.index(b"\xfc")
    assert (
        f"x.csv, line 2: the byte 0xfc at position {position} of the file (the first is 0) is not "
        "UTF-8. Set data.encoding" in str(error.value)
    )
    # A person sees the right one: not what some library finds likeliest.
    assert "cp1252 'Jürgen', 'Zoë'; cp1251 'Jьrgen', 'Zoл'; mac_roman 'J¸rgen'" in str(error.value)
    # Also far into a file, and in a character cut off at its end.
    filler = b"a;b;1\n" * 200_000
    assert "line 200001: the byte 0xfc" in undecodable(write(filler + b"\xfc\n"), "utf-8")
    assert "line 200001: the byte 0xc3" in undecodable(write(filler + b"\xc3"), "utf-8")
    assert "line 1: the byte 0x81 at position 2 of the file" in undecodable(
        write(b"a,\x81"), "cp1252"
    )


def test_readings(write):
    def encodings(text, encoding):
        return [one.encoding for one in readings(write(text.encode(encoding)))]

    # Where no word differs from cp1252, cp1250 is left out.
    assert encodings("Jürgen", "cp1252")[:3] == ["cp1252", "cp1251", "mac_roman"]
    assert encodings("Jiří", "cp1250")[:2] == ["cp1252", "cp1250"]
    assert "cp1251" in encodings("Москва", "cp1251")
    assert "cp932" in encodings("東京,大阪", "cp932")
    assert not is_decodable(write(b"\xff"), "utf-8") and is_decodable(write(b"\xff"), "latin-1")


@pytest.mark.parametrize(
    "start, encoding",
    [
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (b"", "utf-8"),
        (b"a", "utf-8"),
    ],
)
def test_byte_order_marks(write, start, encoding):
    assert encoding_of(write(start)) == encoding


@pytest.mark.parametrize("name", ["utf8x", "base64", "hex", "", "idna2"])
def test_names_that_are_no_encoding(write, name):
    with pytest.raises(ValueError, match=r"x.csv: An encoding is one that Python knows"):
        read_table(write(b"a\n1\n"), encoding=name)


@pytest.mark.parametrize(
    "content, declared",
    [
        (b"sep=;\na;b\n", ";"),
        (b"sep=\t\r\na\tb\n", "\t"),
        (b'"sep=|"\na|b\n', "|"),
        (b"sep=;", ""),
        (b"sep=;;\na;b\n", ""),
        (b"sep,x\n1,2\n", ""),
        (b"sep=;,x\n1,2\n", ""),
    ],
)
def test_declared_separators(write, content, declared):
    assert declared_separator(write(content)) == declared


def test_lines_are_counted_from_the_first(write):
    with pytest.raises(
        ValueError, match=r"line 4: expected 2 cells, as in the header. Received: 3"
    ):
        read_table(write(b"sep=;\na;b\n1;2\n1;2;3\n"))
