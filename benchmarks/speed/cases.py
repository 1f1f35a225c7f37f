"""What is measured: sizes, and which subjects and modes make sense at them."""

import dataclasses
import fnmatch

from benchmarks.speed import data

MODES = {
    "inference": "inference",
    "gradient": "gradient step",
    "fit": "fit step",
    "fit_fused": "fit step, FusedOptimizer",
    "update": "Adam update of the bank",
    "first": "tracing and first gradient step",
    "memory": "peak memory",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One size of the problem.

    Args:
        name: What `--cases` calls it.
        table: The table that shows it: columns, peers, decode, small, deep.
        sizes: E, K, D, H, N.
        modes: Names of `MODES`.
        subjects: Wildcards over the names of subjects.
        glu: SwiGLU experts without biases instead of ReLU experts with biases.
        policy: Dtype policy.
        column: The case whose column it shares in the tables, if not its own.
        layers: How many layers, with a residual connection around each if more than one.
        fit_steps: Timed steps of one call of `fit`.
        head: Whether the fitted model ends in Dense(1).
    """

    name: str
    table: str
    sizes: tuple
    modes: tuple
    subjects: tuple
    glu: bool = False
    policy: str = "float32"
    column: str | None = None
    layers: int = 1
    fit_steps: int = 8
    head: bool = False

    experts = property(lambda self: self.sizes[0])
    k = property(lambda self: self.sizes[1])
    width = property(lambda self: self.sizes[2])
    hidden = property(lambda self: self.sizes[3])
    tokens = property(lambda self: self.sizes[4])

    @property
    def label(self):
        return " ".join(
            f"{letter}={size}" for letter, size in zip("EKDHN", self.sizes, strict=True)
        )

    @property
    def active_experts(self):
        """How many experts' weights a dense layer of the same cost has.

        K, as each token meets K. When decoding, the cost is reading weights, and that of the
        layer is every expert that any token of the step chose.
        """
        return data.distinct_experts(self) if self.table == "decode" else self.k

    @property
    def dense_hidden(self):
        return self.active_experts * self.hidden

    @property
    def bank_bytes(self):
        """The expert weights in float32, which is how they are stored under every policy."""
        matrices = (3 if self.glu else 2) * self.width * self.hidden
        biases = 0 if self.glu else self.hidden + self.width
        return 4 * self.layers * self.experts * (matrices + biases)

    def describe(self):
        """What the results file says of the case."""
        return {
            **dataclasses.asdict(self),
            "label": self.label,
            "dense_hidden": self.dense_hidden,
            "bank_bytes": self.bank_bytes,
        }


def _column(name, *sizes, **kwargs):
    modes = ("inference", "gradient", "fit", "fit_fused", "update", "memory")
    kwargs = {"subjects": ("ours/*", "dense/*", "all_experts/*"), "modes": modes, **kwargs}
    return Case(name, kwargs.pop("table", "columns"), sizes, **kwargs)


_MIXED = tuple(
    f"{kind}/{setting}" for kind in ("ours", "dense") for setting in ("tensorflow", "torch")
)
_OURS_AND_DENSE = ("ours/*", "dense/*")

CASES = (
    _column("e8", 8, 2, 512, 1024, 2048),
    _column("e16", 16, 2, 256, 512, 1024),
    _column("e64", 64, 4, 256, 512, 1024),
    _column("e128", 128, 8, 256, 256, 1024),
    _column(
        "e64_bfloat16",
        *(64, 4, 256, 512, 1024),
        policy="mixed_bfloat16",
        column="e64",
        modes=("inference", "gradient"),
        subjects=_MIXED,
    ),
    _column("e64_glu", 64, 4, 256, 512, 1024, table="peers", glu=True, subjects=("*",)),
    *(
        Case(
            f"decode_{tokens}" if experts == 64 else f"decode_{tokens}_e{experts}",
            "decode",
            (experts, 2, 512, 1024, tokens),
            ("inference",),
            _OURS_AND_DENSE,
        )
        for tokens in (1, 4, 8)
        for experts in (8, 64)
    ),
    Case(
        "small", "small", (16, 2, 128, 128, 256), ("fit",), _OURS_AND_DENSE, fit_steps=64, head=True
    ),
    Case(
        "deep",
        "deep",
        (64, 4, 256, 512, 1024),
        ("first",),
        ("ours/tensorflow", "dense/tensorflow"),
        layers=12,
    ),
)


def quick(case):
    """The case at a size that takes no time, to see that everything runs."""
    experts, k, _, _, tokens = case.sizes
    sizes = (min(experts, 8), min(k, 4), 16, 32, min(tokens, 32))
    return dataclasses.replace(
        case, sizes=sizes, layers=min(case.layers, 2), fit_steps=min(case.fit_steps, 4)
    )


def matching(patterns, names, what):
    """The names that match any of the wildcards, in their own order.

    Raises:
        ValueError: If a wildcard matches nothing.
    """
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise ValueError(f"No {what} matches {pattern!r}. There are: {', '.join(names)}.")
    return [name for name in names if any(fnmatch.fnmatch(name, p) for p in patterns)]
