"""Inspection: the result of `inspect`, as arrays, tables, plots and a page."""

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.atomic import write_text
from sparse_keras.inspection import words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sparse_keras.inspection.text.token_inspection import TokenInspection


@dataclass(frozen=True)
class Finding:
    """A label whose tokens use an expert significantly more often than tokens in general.

    Attributes:
        label: The label.
        expert: The expert's number.
        share: Share of the label's tokens that use the expert; if every token uses every expert,
            the expert's share of the weight.
        base_share: The same over all labelled tokens.
        lift: `share / base_share`.
        tokens: Number of the label's tokens.
        examples: Number of examples that contain them.
        p_value: Of a one-sided t test over examples, with a Bonferroni correction for all pairs.
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
    """The routing of one gate. A mixture that is called several times has one for each call.

    E experts, L labels in the order of `labels`. Padding is ignored.

    Attributes:
        name: The path of the mixture, with the gate's name if it has several, and the number of the
            call if it is called several times.
        router: The name of its router's class.
        num_experts: E.
        expert_names: E names.
        tokens: Number of routed tokens.
        experts_per_token: Mean number of open experts per token.
        soft: Whether every token uses every expert. Then `load` is measured in weights, and there
            is no `coactivation`.
        load: `[E]`, each expert's share of the assignments.
        importance: `[E]`, each expert's share of the weights.
        load_violation: Largest load over mean load, minus 1. 0 is perfect balance.
        concentration: 0 for an even load, 1 if K experts take everything.
        dead: Numbers of the experts that got no token.
        dropped: Share of assignments dropped for lack of capacity.
        entropy: Mean entropy of a token's scores over that of a uniform choice, in [0, 1].
        confidence: Mean of a token's largest normalised score.
        confidence_histogram: Its distribution: 50 bins from 0 to 1 that sum to 1.
        margin: Mean difference between the largest normalised score and the second.
        coactivation: `[E, E]`, how often two experts are chosen together, relative to chance given
            their loads (quasi-independence). NaN on the diagonal, and everywhere if each token uses
            one expert.
        coactivation_tokens: `[E, E]`, number of tokens that use both experts.
        labels: List of L labels; empty without labels.
        label_tokens: `[L]`, number of each label's tokens.
        rate: `[L, E]`, the share of a label's tokens that use an expert.
        base_rate: `[E]`, the share of all labelled tokens that use an expert.
        share: `[L, E]`, a label's distribution over experts; rows sum to 1.
        lift: `[L, E]`, `rate / base_rate`.
        mutual_information: Of a token's label and expert, in bits.
        mutual_information_by_chance: Its expected value if they were independent.
        findings: List of `Finding`s, the strongest first.
        token_findings: The same with tokens of texts as labels, written as text. The pair first
            whose number of tokens is furthest above chance. Empty for other models.
        problems: Dict from the kind of a problem to sentences about it, as
            `callbacks.ExpertLoad` warns of.
        note: Why the labels could not be used, or `None`.
    """

    name: str
    router: str
    num_experts: int
    expert_names: list[str]
    tokens: int
    experts_per_token: float
    soft: bool
    load: np.ndarray = field(repr=False)
    importance: np.ndarray = field(repr=False)
    load_violation: float
    concentration: float
    dead: list[int]
    dropped: float
    entropy: float
    confidence: float
    confidence_histogram: np.ndarray = field(repr=False)
    margin: float
    coactivation: np.ndarray = field(repr=False)
    coactivation_tokens: np.ndarray = field(repr=False)
    problems: dict[str, str] = field(repr=False)
    labels: list = field(default_factory=list, repr=False)
    label_tokens: np.ndarray | None = field(default=None, repr=False)
    rate: np.ndarray | None = field(default=None, repr=False)
    base_rate: np.ndarray | None = field(default=None, repr=False)
    share: np.ndarray | None = field(default=None, repr=False)
    lift: np.ndarray | None = field(default=None, repr=False)
    mutual_information: float = np.nan
    mutual_information_by_chance: float = np.nan
    findings: list[Finding] = field(default_factory=list, repr=False)
    token_findings: list[Finding] = field(default_factory=list, repr=False)
    note: str | None = None

    @property
    def verdicts(self) -> list[words.Verdict]:
        """The gate in sentences, each marked as good, bad or neutral."""
        return words.verdicts(self)


@dataclass(frozen=True, eq=False)
class Inspection:
    """The result of `sparse_keras.inspect`.

    `print` displays it as tables, `plot()` draws it, and `to_html(path)` writes a page.
    `inspection[gate]` returns a gate by its name or number.

    Attributes:
        model: The model's name.
        data: What the examples are called.
        examples: Number of examples.
        label: What the labels are called, or `None` without labels.
        gates: List of `GateInspection`s, in the order in which the model calls them.
        tokens: For a model of texts, the `TokenInspection`: the experts of each token.
    """

    model: str
    data: str
    examples: int
    label: str | None
    gates: list[GateInspection] = field(repr=False)
    tokens: "TokenInspection | None" = None

    @property
    def findings(self) -> list[tuple[str, Finding]]:
        """Pairs of a gate's name and a `Finding`, the strongest of each gate first."""
        return [(gate.name, finding) for gate in self.gates for finding in gate.findings]

    @property
    def healthy(self) -> bool:
        """Whether no gate has a problem."""
        return not any(gate.problems for gate in self.gates)

    def summary(self) -> list[words.Verdict]:
        """The model in sentences, each marked as good, bad or neutral."""
        return words.summary(self)

    def __getitem__(self, gate: str | int) -> GateInspection:
        if isinstance(gate, int):
            return self.gates[gate]
        by_name = {gate.name: gate for gate in self.gates}
        if gate not in by_name:
            raise KeyError(f"{gate!r}. The gates are {', '.join(map(repr, by_name))}.")
        return by_name[gate]

    def __len__(self) -> int:
        return len(self.gates)

    def __rich__(self):
        from sparse_keras.inspection.tables import as_tables

        return as_tables(self)

    def __str__(self) -> str:
        from rich.console import Console

        stream = io.StringIO()
        Console(file=stream, width=100, color_system=None).print(self)
        return stream.getvalue().rstrip("\n")

    def plot(self, gate: str | int | None = None) -> "Figure":
        """Plots the gates with matplotlib.

        Args:
            gate: Name or number of a gate. `None` for all gates, one row each.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ValueError: If matplotlib is not installed.
        """
        from sparse_keras.inspection.plots import draw

        return draw(self, self.gates if gate is None else [self[gate]])

    def to_html(self, path: str | os.PathLike | None = None) -> str | os.PathLike:
        """Writes a self-contained page of HTML: no network, no scripts.

        Args:
            path: The file to write. `None` to return the text instead.

        Returns:
            The path as given, or the text.
        """
        from sparse_keras.inspection.page import page_of

        text = page_of(self)
        if path is None:
            return text
        write_text(path, text)
        return path
