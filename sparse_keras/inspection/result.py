"""Inspection: what `inspect` found, as arrays, as a table, as pictures and as a page."""

import io
from dataclasses import dataclass, field

import numpy as np

from sparse_keras._internal.atomic import write_text
from sparse_keras.inspection import words


@dataclass(frozen=True)
class Finding:
    """A label that goes to an expert more often than chance has it.

    Attributes:
        label: The label.
        expert: The expert's number.
        share: The share of the label's tokens that use the expert; where every token uses every
            expert, the expert's share of the weight.
        base_share: The same over all tokens that have a label.
        lift: Their ratio.
        tokens: The label's tokens; `examples`: the examples that they are in.
        p_value: By chance, counting all pairs that were looked at.
    """

    label: object
    expert: int
    share: float
    base_share: float
    lift: float
    tokens: int
    examples: int
    p_value: float


@dataclass(frozen=True, eq=False)
class GateInspection:
    """What one gate did: of a mixture that is called more than once, in one of its calls.

    E experts, L labels in the order of `labels`. Padding counts nowhere.

    Attributes:
        name: The path of the mixture, with the gate's name if it has several, and the call's number
            if it is called several times.
        router: The class of its router.
        num_experts: E.
        expert_names: E names.
        tokens: Tokens that it routed.
        experts_per_token: Mean number of open experts.
        soft: Whether every token has every expert. Then `load` is of weights, and there is no
            `coactivation`.
        load: `[E]`, each expert's share of the assignments.
        importance: `[E]`, each expert's share of the weights.
        load_violation: Largest load over mean load, minus 1.
        concentration: 0 for an even load, 1 if K experts take everything. See `routing_warnings`.
        dead: Numbers of the experts that got no token.
        dropped: Share of assignments dropped for want of capacity.
        entropy: Mean entropy of a token's scores over that of a uniform choice, in [0, 1].
        confidence: Mean of a token's largest normalised score; `confidence_histogram`: its
            distribution, 50 bins from 0 to 1, that sum to 1.
        margin: Mean distance of the largest normalised score from the second.
        coactivation: `[E, E]`, how often two experts serve the same token, over how often chance
            has it given how many partners each has (quasi-independence). NaN on the diagonal, and
            everywhere where tokens have one expert. `coactivation_tokens`: the tokens, `[E, E]`.
        labels: List of L labels, empty without labels.
        label_tokens: `[L]`.
        rate: `[L, E]`, the share of a label's tokens that use an expert.
        base_rate: `[E]`, the same of all tokens that have a label.
        share: `[L, E]`, a label's distribution over experts; rows sum to 1.
        lift: `[L, E]`, `rate` over `base_rate`.
        mutual_information: Of a token's label and expert, in bits; `mutual_information_by_chance`:
            what it would be about were they independent.
        findings: List of `Finding`s, the strongest first.
        problems: Dict from kind to sentence; see `health.complaints`.
        note: Why there is no word on labels, or `None`.
    """

    name: str
    router: str
    num_experts: int
    expert_names: list
    tokens: int
    experts_per_token: float
    soft: bool
    load: np.ndarray = field(repr=False)
    importance: np.ndarray = field(repr=False)
    load_violation: float
    concentration: float
    dead: list
    dropped: float
    entropy: float
    confidence: float
    confidence_histogram: np.ndarray = field(repr=False)
    margin: float
    coactivation: np.ndarray = field(repr=False)
    coactivation_tokens: np.ndarray = field(repr=False)
    problems: dict = field(repr=False)
    labels: list = field(default_factory=list, repr=False)
    label_tokens: np.ndarray = field(default=None, repr=False)
    rate: np.ndarray = field(default=None, repr=False)
    base_rate: np.ndarray = field(default=None, repr=False)
    share: np.ndarray = field(default=None, repr=False)
    lift: np.ndarray = field(default=None, repr=False)
    mutual_information: float = np.nan
    mutual_information_by_chance: float = np.nan
    findings: list = field(default_factory=list, repr=False)
    note: str | None = None

    @property
    def verdicts(self):
        """What to think of it: a list of `words.Verdict`s."""
        return words.verdicts(self)


@dataclass(frozen=True, eq=False)
class Inspection:
    """What `sparse_keras.inspect` found.

    `print` shows it as tables, `plot()` draws it, `to_html(path)` writes a page. `inspection[name]`
    is the gate of a name, or of a number.

    Attributes:
        model: The model's name.
        data: What to call the examples.
        examples: Their number.
        label: What to call the labels, or `None` without labels.
        gates: List of `GateInspection`s, in the order in which the model calls them.
    """

    model: str
    data: str
    examples: int
    label: str | None
    gates: list = field(repr=False)

    @property
    def findings(self):
        """Pairs of a gate's name and a `Finding`, the strongest of each gate first."""
        return [(gate.name, finding) for gate in self.gates for finding in gate.findings]

    @property
    def healthy(self):
        """Whether nothing is wrong with any gate."""
        return not any(gate.problems for gate in self.gates)

    def summary(self):
        """What was found, in sentences: a list of `words.Verdict`s."""
        return words.summary(self)

    def __getitem__(self, name):
        if isinstance(name, int):
            return self.gates[name]
        found = {gate.name: gate for gate in self.gates}
        if name not in found:
            raise KeyError(f"{name!r}. The gates are {', '.join(map(repr, found))}.")
        return found[name]

    def __len__(self):
        return len(self.gates)

    def __rich__(self):
        from sparse_keras.inspection.tables import as_tables

        return as_tables(self)

    def __str__(self):
        from rich.console import Console

        stream = io.StringIO()
        Console(file=stream, width=100, color_system=None).print(self)
        return stream.getvalue().rstrip("\n")

    def plot(self, gate=None):
        """Draws it with matplotlib.

        Args:
            gate: Name or number of a gate. `None` for all of them, a row for each.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ValueError: If matplotlib is not installed.
        """
        from sparse_keras.inspection.plots import draw

        return draw(self, self.gates if gate is None else [self[gate]])

    def to_html(self, path=None):
        """Writes one page of HTML that needs nothing else: no network, no scripts.

        Args:
            path: Where to write it. `None` to get its text.

        Returns:
            The path as given; or the text.
        """
        from sparse_keras.inspection.page import page_of

        text = page_of(self)
        if path is None:
            return text
        write_text(path, text)
        return path
