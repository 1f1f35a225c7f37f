"""Prompts: what a user gives to `generate`, checked and made a batch."""

import numbers
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from sparse_keras._internal.powers import power_of_two
from sparse_keras._internal.seeds import derived_seed

_SHORTEST = 16


class Prompts(NamedTuple):
    """A batch of prompts, padded on the left to a power of two.

    So all end at one place, from where they grow together, and prompts of similar lengths share
    what is compiled.

    Args:
        token_ids: Int32 `[B, T]`.
        mask: Bool `[B, T]`, False for padding.
    """

    token_ids: np.ndarray
    mask: np.ndarray


def as_lists(prompts: Any) -> tuple[list[list[int]], bool]:
    """Returns a list of prompts, and whether it was a single prompt.

    Raises:
        ValueError: If these are no lists of integers, or one is empty.
    """
    if not isinstance(prompts, (list, tuple, np.ndarray)):
        raise ValueError(
            "`prompts` must be a list of token ids, or a list of such lists. Received: "
            f"{prompts!r}, of type {type(prompts).__name__}."
        )
    if len(prompts) == 0:
        raise ValueError("`prompts` is empty. Give at least one list of token ids.")
    single = not isinstance(prompts[0], (list, tuple, np.ndarray))
    rows = [prompts] if single else prompts
    return [_checked(row, number) for number, row in enumerate(rows)], single


def _checked(row, number):
    if not isinstance(row, (list, tuple, np.ndarray)):
        raise ValueError(
            f"`prompts` must be lists of token ids. Received: {row!r} at index {number}."
        )
    if len(row) == 0:
        raise ValueError(
            f"The prompt at index {number} is empty: there is nothing to continue. Give it at "
            "least one token, such as that of the beginning of texts."
        )
    for token in row:
        if isinstance(token, (bool, np.bool_)) or not isinstance(token, numbers.Integral):
            raise ValueError(
                f"Token ids must be integers. Received: {token!r} in the prompt at index {number}."
            )
    return [int(token) for token in row]


def check_ids(name: str, ids: Any, vocabulary_size: int) -> None:
    """Raises a ValueError if an id is not in the vocabulary."""
    outside = [token for token in ids if not 0 <= token < vocabulary_size]
    if outside:
        raise ValueError(
            f"Token ids are at least 0 and less than the vocabulary size, {vocabulary_size}. "
            f"Received: {outside[:5]} in {name}."
        )


def padded(prompts: list[list[int]]) -> Prompts:
    """Makes a batch of prompts."""
    lengths = np.array([len(prompt) for prompt in prompts], "int32")
    size = power_of_two(max(_SHORTEST, lengths.max()))
    token_ids = np.zeros((len(prompts), size), "int32")
    for row, prompt in zip(token_ids, prompts, strict=True):
        row[size - len(prompt) :] = prompt
    return Prompts(token_ids, np.arange(size) >= size - lengths[:, None])


def seeds_of(prompts: list[list[int]], seed: int) -> np.ndarray:
    """Returns a seed for each row, int32 `[B]`.

    It depends on the prompt, and on the number of equal prompts before it, which so get texts of
    their own; not on other prompts, and not on the place in the batch.
    """
    seen: Counter[tuple[int, ...]] = Counter()
    found = []
    for prompt in prompts:
        found.append(derived_seed(seed, seen[tuple(prompt)], *prompt))
        seen[tuple(prompt)] += 1
    return np.array(found, "uint32").view("int32")
