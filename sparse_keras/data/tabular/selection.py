"""Selection: which columns were chosen, by which method and with which scores.

`select_columns.py` makes one, and `Features` stores it.
"""

from dataclasses import asdict, dataclass

# Number of columns left out that are shown by name.
SHOWN = 5


@dataclass(frozen=True)
class Selection:
    """Which columns were chosen, and why.

    Args:
        method: The name of the method; with "auto" the one it chose, or "all".
        chosen: The names of the chosen columns, the most important first.
        scores: Dict from the name of each column, the chosen and the others, to its score: what
            the method computes; of a categorical column the highest of its categories.
        searched: What "auto" tried: a tuple of dicts with `method`, `count`, `mean_score`,
            `std_score` and `chosen`. Empty for a given method.
    """

    method: str
    chosen: tuple
    scores: dict
    searched: tuple = ()

    @property
    def left_out(self):
        """The names of the other columns, the highest score first."""
        others = set(self.scores) - set(self.chosen)
        return tuple(sorted(others, key=lambda name: (-self.scores[name], name)))

    def kinds(self):
        """Describes the columns left out as `(name, "left out", detail)`, the best five first.

        All others share one line.
        """
        first, others = self.left_out[:SHOWN], self.left_out[SHOWN:]
        shown = [(name, "left out", f"score {self.scores[name]:.3g}") for name in first]
        if others:
            best = self.scores[others[0]]
            shown.append((f"{len(others)} more", "left out", f"scores up to {best:.3g}"))
        return shown

    def __str__(self):
        how = "chosen by " + ("auto: " if self.searched else "") + self.method
        return f"{len(self.chosen)} of {len(self.scores)} columns, {how}"

    def to_dict(self):
        """Returns a dict that survives JSON."""
        return asdict(self) | {"chosen": list(self.chosen), "searched": list(self.searched)}

    @classmethod
    def from_dict(cls, content):
        """Makes a `Selection` from what `to_dict` returned."""
        return cls(
            **content | {"chosen": tuple(content["chosen"]), "searched": tuple(content["searched"])}
        )
