"""TokenInspection: the tokens that `inspect` read, and the experts of each."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from sparse_keras.inspection.text.characters import shown

if TYPE_CHECKING:
    import pandas as pd

    from sparse_keras.data import Tokenizer


@dataclasses.dataclass(frozen=True, eq=False)
class TokenChoices:
    """The experts that a gate chose for each token, the one with the largest weight first.

    Attributes:
        expert: `[N, K]`, the experts' numbers; -1 where fewer than K are open.
        weight: `[N, K]`, their weights; 0 where there is no expert.
    """

    expert: np.ndarray
    weight: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class TokenInspection:
    """N tokens of texts, in the order in which they were read, and the experts of each.

    Padding is left out, and no token of a text is here twice.

    Attributes:
        tokenizer: The `Tokenizer`.
        token_ids: `[N]`, the ids.
        row: `[N]`, the number of the row that the model read each token in.
        place: `[N]`, the place of each token in its row.
        document: `[N]`, the number of the document of each token.
        labels: `[N]`, the label of each token, such as the source of its document; or `None`.
        choices: Dict from the name of a gate to its `TokenChoices`. Gates that route something else
            than tokens are not in it.
        total: Number of tokens of the whole text; `None` if it is not known.
    """

    tokenizer: Tokenizer = dataclasses.field(repr=False)
    token_ids: np.ndarray = dataclasses.field(repr=False)
    row: np.ndarray = dataclasses.field(repr=False)
    place: np.ndarray = dataclasses.field(repr=False)
    document: np.ndarray = dataclasses.field(repr=False)
    labels: np.ndarray | None = dataclasses.field(repr=False)
    choices: dict[str, TokenChoices] = dataclasses.field(repr=False)
    total: int | None

    def __len__(self) -> int:
        return len(self.token_ids)

    def shown(self, token: int) -> str:
        """A token with marks for white space, such as "␣the"."""
        return shown(int(token), self.tokenizer)

    def to_frame(self, gate: str | int = 0) -> pd.DataFrame:
        """Returns a table with a row for each token.

        Args:
            gate: Name of a gate, or its number in `choices`.

        Returns:
            A DataFrame with the columns `token_id`, `token` (as text, with marks for white space),
            `row`, `place`, `document`, `label` (if there are labels), `expert` (the one with the
            largest weight; -1 if none is open), `weight` (its weight), and `experts`, a tuple of
            all experts of the token.

        Raises:
            KeyError: If there is no such gate.
        """
        import pandas as pd

        names = list(self.choices)
        name = names[gate] if isinstance(gate, int) and -len(names) <= gate < len(names) else gate
        if name not in self.choices:
            raise KeyError(f"{gate!r}. The gates of tokens are {', '.join(map(repr, names))}.")
        choices = self.choices[name]
        text = {token: self.shown(token) for token in np.unique(self.token_ids).tolist()}
        columns = {
            "token_id": self.token_ids,
            "token": [text[token] for token in self.token_ids.tolist()],
            "row": self.row,
            "place": self.place,
            "document": self.document,
        }
        if self.labels is not None:
            columns["label"] = self.labels
        columns["expert"] = choices.expert[:, 0]
        columns["weight"] = choices.weight[:, 0]
        columns["experts"] = [
            tuple(expert for expert in experts if expert >= 0)
            for experts in choices.expert.tolist()
        ]
        return pd.DataFrame(columns)
