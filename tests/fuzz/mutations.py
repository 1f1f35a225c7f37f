"""Small damages to the bytes of a file."""

TOKENS = (
    *(b"\x00", b"\xff", b'"', b"\r", b"\n", b",", b";", b":", b"-", b" ", b"\xed\xa0\x80", b"{"),
    *(b"1e999", b"nan", b"-inf", b"99999999999999999999", b"2147483648", b"-1", b"\xef\xbb\xbf"),
)


def mutated(content, rng):
    """Returns bytes with one to three damages."""
    for _ in range(rng.integers(1, 4)):
        damage = rng.choice([_flip, _truncate, _insert, _delete, _repeat])
        content = damage(content, rng)
    return content


def _place(content, rng):
    return int(rng.integers(0, len(content) + 1))


def _flip(content, rng):
    content = bytearray(content)
    for _ in range(rng.integers(1, 9) if content else 0):
        content[int(rng.integers(len(content)))] = rng.integers(256)
    return bytes(content)


def _truncate(content, rng):
    return content[: _place(content, rng)]


def _insert(content, rng):
    place = _place(content, rng)
    return content[:place] + TOKENS[rng.integers(len(TOKENS))] + content[place:]


def _delete(content, rng):
    place = _place(content, rng)
    return content[:place] + content[place + int(rng.integers(1, 20)) :]


def _repeat(content, rng):
    start, place = _place(content, rng), _place(content, rng)
    return content[:place] + content[start : start + int(rng.integers(1, 200))] + content[place:]
