"""Contenders: the models that a comparison measures.

A contender is a network, given by the config it is trained from, or a baseline that is fitted
without a config. Imports no Keras, so that the command line reports a wrong name at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.schema.core.errors import ConfigError

if TYPE_CHECKING:
    from sparse_keras.data import Dataset
    from sparse_keras.schema import Config

# The name of the config itself, with which the others are compared.
REFERENCE = "moe"


class Baseline(Protocol):
    """A model that is measured without a config to train.

    Attributes:
        identity: Strings that distinguish it from other baselines on the same data.
    """

    identity: tuple[str, ...]

    def measure(self, data: Dataset) -> dict[str, Any]:
        """Returns its metrics and costs, as `measure.measure_network` does."""


def _always_applies(config, data):
    return None


@dataclass(frozen=True)
class Contender:
    """A model that takes part in a comparison.

    Args:
        name: Its name in `--only` and in result files.
        label: Its name in tables.
        make: Function of a config with its seeds, of its data, and of `recall(name, find)`, which
            returns what `find()` returned for the first seed. It returns a `Config` to train, or a
            `Baseline`.
        why_not: Function of a config and its data that returns why the contender cannot take part,
            as a sentence, or None. The data are None before they are loaded.
    """

    name: str
    label: str
    make: Callable[[Config, Dataset, Callable], Config | Baseline]
    why_not: Callable[[Config, Dataset | None], str | None] = _always_applies


def select(contenders: list[Contender], names: Sequence[str] | None, what: str) -> list[Contender]:
    """Selects contenders by name.

    Args:
        contenders: The contenders to select from.
        names: Names of the contenders to return; the first contender is always included. None for
            all.
        what: What the contenders take part in, for the error.

    Raises:
        ConfigError: If there is no contender of a name.
    """
    known = {contender.name: contender for contender in contenders}
    for name in names or ():
        if name not in known:
            raise ConfigError(
                f"The models of {what} are {', '.join(known)}. Received: {name!r}"
                f"{did_you_mean(name, known, in_brackets=True)}."
            )
    return [
        contender
        for contender in contenders
        if names is None or contender is contenders[0] or contender.name in names
    ]


def check_comparable(config: Config) -> None:
    """Raises a `ConfigError` if a config has no data to compare models on, or cannot be trained."""
    for section, needed in (("data", "examples"), ("optimizer", "training")):
        if getattr(config, section) is None:
            raise ConfigError(
                f"The config {config.name!r} has no {section} section, which a comparison needs "
                f"for {needed}. Expected such as {section}: {{type: ...}}."
            )
