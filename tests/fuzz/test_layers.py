"""Random mixtures against naive loops, and random arguments against the errors that they raise.

    SPARSE_KERAS_FUZZ_CASES=2000 python -m pytest tests/fuzz/test_layers.py

runs as many cases of each kind. `SPARSE_KERAS_FUZZ_SEED` is the seed of the first case; those of
the others follow. A case that fails prints the command that repeats it.
"""

import inspect
import json
import math
import os

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import layers
from sparse_keras.layers import (
    CrossMixture,
    DenseExperts,
    GLUExperts,
    LowRankExperts,
    MixtureOfExperts,
    MLPExperts,
    MultiGateMixtureOfExperts,
    SoftMixtureOfExperts,
    TiedExperts,
)
from tests.layers.test_equality import logits_of
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy

COUNT = int(os.environ.get("SPARSE_KERAS_FUZZ_CASES", "8"))
FIRST = int(os.environ.get("SPARSE_KERAS_FUZZ_SEED", "0"))
WIDTH, VOCABULARY = 6, 11
# The largest error of an output, relative to the largest value or to 1.
TOLERANCES = {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.15}
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16")

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="no mixture takes an empty batch on JAX"
)


def repeats(test, seed, case):
    """Text for a failed case: what it is, and how to run it again."""
    return (
        f"{case}\nRepeat it: SPARSE_KERAS_FUZZ_CASES=1 SPARSE_KERAS_FUZZ_SEED={seed} "
        f"python -m pytest tests/fuzz/test_layers.py -k {test}"
    )


class Draws:
    """Random choices of one case."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def one(self, *options):
        return options[self.rng.integers(len(options))]

    def maybe(self, chance=0.5):
        return bool(self.rng.random() < chance)

    def some(self, **options):
        """Each argument with one of its values, or left out."""
        return {name: self.one(*values) for name, values in options.items() if self.maybe(0.4)}


def router_of(draws, experts):
    """The name and arguments of a router; not all go together."""
    k = draws.one(1, 1, 2, 3, experts)
    flag = (False, True)
    weights = draws.some(balance_loss=(0.0, 0.1), importance_loss=(0.1,))
    importance = draws.some(importance_loss=(0.1,))
    more = draws.some(mean_entropy_loss=(0.1,), token_entropy_loss=(0.1,))
    gates = draws.some(use_bias=flag, jitter=(0.1,))
    choice = draws.some(
        normalize=(None, True, False, "softmax"),
        score=("softmax", "sigmoid", "sqrt_softplus", "identity"),
        select_on=("score", "score_plus_bias", "logits"),
        scale=(0.5, 2.5),
        per_expert_scale=flag,
        z_loss=(0.1,),
        bias_update_rate=(0.0, 0.1),
        sequence_balance_loss=(0.1,),
    )
    if draws.maybe(0.2):
        choice |= {"num_groups": 2, "groups_kept": 1, "group_score": draws.one("max", "top2_sum")}
    if draws.maybe(0.1):
        choice |= {"noise": True, "load_loss": draws.one(0.0, 0.1)}
    return draws.one(
        ("TopKRouter", {"k": k, **weights, **more, **gates, **choice}),
        ("TopKRouter", {"k": k, **weights, **gates}),
        ("CosineRouter", {"k": k, **weights, **gates, **choice, "initial_temperature": 0.5}),
        (
            "ThresholdRouter",
            weights | gates | draws.some(threshold=(0.0, 0.6), max_experts=(1, 2), normalize=flag),
        ),
        ("ReLURouter", {"k": k, **weights, **gates, **draws.some(max_experts=(k, experts))}),
        ("DenseRouter", importance | gates),
        ("UniformRouter", {}),
        (
            "ExpertChoiceRouter",
            {"capacity_factor": draws.one(0.4, 1.0, 1.7), **importance, **gates}
            | draws.some(group_by=("example",), threshold_decay=(0.9,)),
        ),
        (
            "DSelectKRouter",
            {"k": k, "kernel_initializer": "glorot_uniform", **importance}
            | draws.some(per_example=flag, gamma=(0.5,), entropy_warmup_steps=(3,)),
        ),
        (
            "HierarchicalRouter",
            {"k": k, **weights, **more, **gates}
            | draws.some(num_groups=(2, 3), groups_kept=(2,), normalize=flag),
        ),
        ("SinkhornRouter", {"k": k, **importance, **gates, **draws.some(normalize=flag)}),
        (
            "BalancedRouter",
            {"k": k, **draws.some(equal_weights=(True,), shuffle=(True,))}
            if draws.maybe()
            else {"k": k, **importance, **gates},
        ),
        ("HashRouter", {"vocabulary_size": VOCABULARY, "k": k}),
    )


def bank_of(draws, experts):
    activation = draws.one("relu", "silu", "tanh", "linear")
    bias = {"use_bias": draws.maybe(), "bias_initializer": "normal"}
    dropout = draws.some(dropout=(0.3,)) if draws.maybe(0.2) else {}
    arguments = {"num_experts": experts, "activation": activation}
    clamped = {"activation": "silu", "limit": 0.7, "alpha": 1.702, "up_offset": 1.0}
    cls, more = draws.one(
        (DenseExperts, {"units": WIDTH, **bias}),
        (MLPExperts, {"hidden_dim": 5, **bias, **dropout}),
        (GLUExperts, {"hidden_dim": 5, **bias, **dropout}),
        (GLUExperts, {"hidden_dim": 5, **bias, **clamped}),
        (TiedExperts, {"units": WIDTH, **bias}),
        (LowRankExperts, {"rank": 3}),
    )
    return cls(**arguments | more)


def mixture_of(draws):
    """A random mixture; raises a ValueError where its arguments do not go together."""
    experts = draws.one(1, 2, 3, 4, 6, 8)
    bank = bank_of(draws, experts)
    kind = draws.one(*["mixture"] * 6, "gates", "cross", "soft")
    if kind == "soft":
        return SoftMixtureOfExperts(bank, slots_per_expert=draws.one(1, 2), normalize=draws.maybe())

    def router():
        name, arguments = router_of(draws, experts)
        return getattr(layers, name)(**arguments)

    if kind == "gates":
        return MultiGateMixtureOfExperts(bank, {"a": router(), "b": router()})
    capacity = draws.some(capacity_factor=(0.5, 1.0), eval_capacity_factor=(0.5, 1.0))
    if kind == "cross":
        return CrossMixture(bank, router(), **capacity)
    if capacity:
        capacity |= draws.some(drop_order=("position", "batch_priority", "score"))
    shared = keras.layers.Dense(WIDTH) if draws.maybe(0.2) else None
    return MixtureOfExperts(bank, router=router(), shared_expert=shared, **capacity)


def is_random(layer):
    """Whether training draws numbers, or moves what inference routes by."""
    routers = layer.gates.values() if hasattr(layer, "gates") else [layer.router]
    drawn = [getattr(bank, "dropout", 0.0) for bank in banks_of(layer)]
    for router in routers:
        drawn += [getattr(router, name, 0.0) for name in ("jitter", "noise", "shuffle")]
    return any(drawn)


def banks_of(layer):
    return list(layer.experts.values()) if isinstance(layer.experts, dict) else [layer.experts]


def route(router, x, mask, ids, training, weights, groups):
    """The routing by the reference: `expert_index`, `weight`, `is_open`."""
    name, count = type(router).__name__, router.num_experts
    if name == "HashRouter":
        index = weights["router_table"].astype(int)[ids % VOCABULARY]
        is_open = np.repeat((np.ones(len(x), bool) if mask is None else mask)[:, None], router.k, 1)
        return index, is_open / router.k, is_open
    if getattr(router, "per_example", True):
        logits = logits_of(weights, x, count)
    else:
        logits = np.tile(weights["router_kernel"], (len(x), 1))
    if name != "ExpertChoiceRouter":
        return reference.route(router, logits, mask, weights, training)
    index, scores = np.tile(np.arange(count), (len(x), 1)), reference.softmax(logits)
    if router.threshold_decay is not None and not training:  # Of a router that was never trained.
        best = np.argsort(-scores, axis=1, kind="stable")[:, : math.ceil(router.capacity_factor)]
        is_open = (best[..., None] == np.arange(count)).any(1)
        is_open &= True if mask is None else mask[:, None]
        return index, np.where(is_open, scores, 0.0), is_open
    size = len(x) // max(groups, 1) if router.group_by == "example" else len(x)
    parts = [slice(start, start + size) for start in range(0, len(x), size)] if size else []
    routed = [
        reference.expert_choice(
            logits[p], None if mask is None else mask[p], router.capacity_factor
        )
        for p in parts
    ]
    if not routed:
        return index, np.zeros(index.shape), np.zeros(index.shape, bool)
    return tuple(np.concatenate(values) for values in zip(*routed, strict=True))


def kept_of(layer, routing, scores, training):
    """Which assignments find a place in their experts."""
    index, _, is_open = routing
    factor = layer.capacity_factor if training else layer.eval_capacity_factor
    if factor is None:
        return is_open
    capacity = np.ceil(factor * is_open.sum() / layer.num_experts - 1e-9)
    if layer.drop_order == "position":
        return reference.kept_assignments(index, is_open, layer.num_experts, capacity)
    return reference.kept_by_score(
        index,
        is_open,
        scores,
        layer.num_experts,
        capacity,
        first_choices_first=layer.drop_order == "batch_priority",
    )


def soft_mixture(layer, x, mask):
    """`x` `[B, T, D]`: the slots of each example, one at a time."""
    weights = {**reference.weights_of(layer.router)}
    phi, bank = weights["router_kernel"], reference.weights_of(layer.experts)
    outputs = np.zeros((*x.shape[:2], layer.experts.output_width(x.shape[-1])))
    for b, example in enumerate(x):
        kept = np.flatnonzero(mask[b])
        if not len(kept):
            continue
        tokens, columns = example[kept], phi
        if layer.normalize:
            tokens = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
            columns = weights["router_scale"] * phi / np.linalg.norm(phi, axis=0)
        logits = tokens @ columns
        dispatch, combine = reference.softmax(logits.T), reference.softmax(logits)
        for slot, parts in enumerate(dispatch):
            e = slot // layer.slots_per_expert
            expert = reference.Expert(layer.experts, bank, {}, e)
            outputs[b, kept] += combine[:, slot : slot + 1] * expert(parts @ example[kept])[0]
    return outputs


def assert_close(found, expected, dtype, what):
    scale = max(np.abs(expected).max(initial=0.0), 1.0)
    error = np.abs(found - expected).max(initial=0.0) / scale
    assert np.isfinite(found).all(), f"{what} are not finite"
    assert error <= TOLERANCES[dtype], f"{what}: error {error:.1e}"


def assert_all_finite(**groups):
    for what, values in groups.items():
        for n, value in enumerate(values):
            assert np.isfinite(to_numpy(value)).all(), f"{what} {n} not finite"


class Case:
    """One mixture with inputs, and what the reference says of it."""

    def __init__(self, seed):
        draws = Draws(seed)
        keras.utils.set_random_seed(seed)
        self.policy = draws.one(*["float32"] * 4, *POLICIES)
        keras.config.set_dtype_policy(self.policy)
        self.layer, self.refusals = None, []
        while self.layer is None:
            try:
                layer = mixture_of(draws)
                rank = (
                    draws.one(3, 4)
                    if isinstance(layer, SoftMixtureOfExperts)
                    else draws.one(2, 3, 4)
                )
                self.leading = tuple(draws.one(0, 1, 2, 3, 3, 5) for _ in range(rank - 1))
                layer.build((None, *self.leading[1:], WIDTH))
                self.layer = layer
            except ValueError as error:
                self.refusals.append(str(error))
        self.training = draws.maybe()
        self.how = draws.one(*["eager"] * 17, *["graph"] * 2, "xla")
        rng = draws.rng
        self.x = rng.normal(size=(*self.leading, WIDTH)).astype("float32")
        share = draws.one(None, None, 0.7, 0.7, 0.0, 1.0)
        self.mask = None if share is None else rng.random(self.leading) < share
        self.ids = rng.integers(0, 3 * VOCABULARY, self.leading).astype("int32")
        self.dtype = keras.dtype_policies.get(self.policy).compute_dtype
        self.takes_ids = getattr(getattr(layer, "router", None), "takes_token_ids", False)
        self.returns_routing = not isinstance(layer, CrossMixture)

    def __str__(self):
        config = json.dumps(self.layer.get_config(), default=str)
        parts = f"{self.policy}, {self.how}, training={self.training}, shape {self.x.shape}"
        masked = None if self.mask is None else f"{self.mask.sum()} of {self.mask.size}"
        return f"{type(self.layer).__name__}, {parts}, unmasked: {masked}\n{config}"

    @property
    def arguments(self):
        mask = {} if self.mask is None else {"mask": self.mask}
        return mask | ({"token_ids": self.ids} if self.takes_ids else {})

    def call(self, layer=None):
        """The outputs, and the routings of the gates by name if the layer returns them."""
        layer = layer or self.layer
        arguments = dict(self.arguments, training=self.training)
        if self.returns_routing:
            arguments["return_routing"] = True

        def call(x):
            return layer(x, **arguments)

        if self.how != "eager" and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            call = tf.function(call, jit_compile=self.how == "xla")
        found = call(ops.convert_to_tensor(self.x))
        return found if self.returns_routing else (found, None)

    def tokens(self):
        """What the layer computes with, in float64: `[N, D]`, zeros for padding."""
        x = to_numpy(ops.cast(ops.cast(self.x, self.dtype), "float32")).astype("float64")
        if self.mask is not None:
            x = np.where(self.mask[..., None], x, 0.0)
        return x.reshape(-1, WIDTH)

    def expected_routings(self):
        mask = None if self.mask is None else self.mask.ravel()
        return {
            gate: route(
                router,
                self.tokens(),
                mask,
                self.ids.ravel(),
                self.training,
                reference.weights_of(router),
                len(self.x),
            )
            for gate, router in inner(self.layer).gates.items()
        }


def inner(layer):
    """The layer whose gates route."""
    return layer.mixture if isinstance(layer, CrossMixture) else layer


def check(case):
    layer, dtype = case.layer, case.dtype
    compared = not (case.training and is_random(inner(layer)))
    soft = isinstance(layer, SoftMixtureOfExperts)
    # Before the call, which moves selection biases and thresholds.
    expected = {} if soft else case.expected_routings()
    tokens = case.tokens()
    outputs, routings = case.call()
    by_gate = outputs if isinstance(outputs, dict) else {"router": outputs}
    shapes = layer.compute_output_shape(case.x.shape)
    spec = layer.compute_output_spec(keras.KerasTensor(case.x.shape))
    for gate, y in by_gate.items():
        shape = shapes[gate] if isinstance(outputs, dict) else shapes
        one = spec[gate] if isinstance(outputs, dict) else spec
        assert tuple(y.shape) == tuple(shape) == tuple(one.shape)
        assert keras.backend.standardize_dtype(y.dtype) == dtype == one.dtype
    assert_all_finite(
        outputs=by_gate.values(),
        losses=layer.losses if case.how == "eager" else (),
        variables=[v for v in layer.variables if "seed_generator" not in v.path],
    )
    if soft and compared:
        shape = (case.x.shape[0], -1, WIDTH) if len(tokens) else (0, 1, WIDTH)
        mask = np.ones(case.leading, bool) if case.mask is None else case.mask
        mask = mask.reshape(shape[:2])
        y = soft_mixture(layer, tokens.reshape(shape), mask)
        assert_close(to_numpy(outputs), y.reshape(outputs.shape), dtype, "outputs")
    elif compared:
        compare(case, by_gate, routings, expected, tokens)
    check_statistics(case, routings)
    check_config(case, by_gate, compared)


def compare(case, outputs, routings, expected, tokens):
    layer = case.layer
    for gate, y in outputs.items():
        index, weight, is_open = expected[gate]
        kept = is_open
        if routings is not None:
            found = routings if gate == "router" else routings[gate]
            found = {key: np.array(ops.convert_to_numpy(value)) for key, value in found.items()}
            if isinstance(layer, MixtureOfExperts):
                kept = kept_of(layer, expected[gate], found["scores"], case.training)
            np.testing.assert_array_equal(found["is_open"], kept, err_msg="is_open")
            np.testing.assert_array_equal(found["expert_index"][kept], index[kept])
            np.testing.assert_allclose(found["weight"], weight, rtol=1e-4, atol=1e-5)
        else:
            kept = kept_of(layer.mixture, expected[gate], None, case.training)  # By position.
        (bank,) = banks_of(layer)
        mixed = reference.mixture(bank, tokens, index, weight, kept)
        if isinstance(layer, CrossMixture):
            mixed = case.x.reshape(-1, WIDTH) * mixed + case.x.reshape(-1, WIDTH)
        if getattr(layer, "shared_expert", None) is not None:
            mixed += tokens @ to_numpy(layer.shared_expert.kernel)
        assert_close(to_numpy(y), mixed.reshape(y.shape), case.dtype, f"outputs of {gate}")


def check_statistics(case, routings):
    layer = inner(case.layer)
    tokens = case.mask.sum() if case.mask is not None else math.prod(case.leading)
    for _, router, summary in layer.recorded():
        if not case.training:
            assert summary["calls"] == summary["assigned"] == 0
            continue
        assert summary["calls"] == 1
        for name, value in summary.items():
            # A ratio of nothing is NaN, and nothing else is.
            missing = "aux_loss" if name in router.loss_names else name
            nothing = case.leading[0] == 0 if missing == "aux_loss" else not summary["assigned"]
            if name == "entropy":
                nothing = tokens == 0
            elif name == "experts_per_token":
                nothing = tokens == 0
            assert np.isfinite(value).all() or nothing, f"{name}: {value}"
        if summary["assigned"] and not isinstance(layer, SoftMixtureOfExperts):
            np.testing.assert_allclose(summary["assigned"], tokens * summary["experts_per_token"])
        if isinstance(layer, MixtureOfExperts) and routings is not None:
            kept = to_numpy(routings["is_open"]).sum()
            assert summary["kept"] == kept <= summary["assigned"]


def check_config(case, outputs, compared):
    """A layer of the config with the same weights gives the same outputs, and finite gradients."""
    layer = case.layer
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert json.dumps(again.get_config()) == json.dumps(layer.get_config())
    again.build((None, *case.leading[1:], WIDTH))
    again.set_weights(layer.get_weights())
    assert [v.name for v in again.variables] == [v.name for v in layer.variables]
    if compared and not case.training:
        case.how = "eager"
        found, _ = case.call(again)
        for gate, y in (found if isinstance(found, dict) else {"router": found}).items():
            assert_close(to_numpy(y), to_numpy(outputs[gate]), case.dtype, "outputs of a copy")
    if layer.trainable_variables:
        dx, found = layer_gradients(
            again,
            case.x,
            lambda y: sum(ops.sum(ops.square(ops.cast(part, "float32"))) for part in tree(y)),
            training=case.training,
            **case.arguments,
        )
        assert_all_finite(
            gradients=[dx, *(gradient for gradient in found.values() if gradient is not None)]
        )


def tree(outputs):
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_mixtures(seed):
    case = None
    try:
        case = Case(seed)
        for message in case.refusals:
            assert "`" in message or "Received" in message, f"Refused by no name: {message}"
        check(case)
    except Exception as error:
        raise AssertionError(repeats("test_mixtures", seed, case)) from error


# Valid arguments of each layer. Each of the others has a default.
ARGUMENTS = {
    **{
        name: {"num_experts": 4}
        for name in layers.__all__
        if name.endswith("Router") and name not in ("Router", "HashRouter")
    },
    "HashRouter": {"vocabulary_size": VOCABULARY, "num_experts": 4},
    "DenseExperts": {"num_experts": 4, "units": WIDTH},
    "MLPExperts": {"num_experts": 4, "hidden_dim": 5},
    "GLUExperts": {"num_experts": 4, "hidden_dim": 5},
    "TiedExperts": {"num_experts": 4, "units": WIDTH},
    "LowRankExperts": {"num_experts": 4, "rank": 3},
    "GroupedDense": {"num_groups": 4, "units": WIDTH},
    "EnsembleHead": {"units": 2},
    "FeatureGate": {},
    "RotaryEmbedding": {},
    "RMSNormalization": {},
    "FeedForward": {"hidden_dim": 5},
    "GroupedQueryAttention": {"num_heads": 2},
    "LatentAttention": {
        "num_heads": 2,
        "kv_lora_rank": 3,
        "qk_nope_head_dim": 2,
        "qk_rope_head_dim": 4,
        "v_head_dim": 5,
        "rotary": layers.RotaryEmbedding(),
    },
    "TransformerBlock": {
        "attention": layers.GroupedQueryAttention(2),
        "feed_forward": layers.FeedForward(5),
    },
    "PeriodicEmbedding": {"dim": 3},
    "PiecewiseLinearEmbedding": {
        "dim": 2,
        "groups": [0, 0, 0, 1, 1, 1],
        "kinds": ["value", "bin", "missing"] * 2,
    },
    "SparseProjection": {"units": 3},
    "MixtureOfExperts": {"experts": {"type": "mlp", "num_experts": 4, "hidden_dim": 5}},
    "SoftMixtureOfExperts": {"experts": {"type": "mlp", "num_experts": 4, "hidden_dim": 5}},
    "CrossMixture": {"experts": {"type": "mlp", "num_experts": 4, "hidden_dim": 5}},
    "ExpertEnsemble": {"experts": {"type": "tied", "num_experts": 4, "units": 5}},
    "DepthSharedMixtureOfExperts": {
        "experts": {"type": "mlp", "num_experts": 4, "hidden_dim": 5},
        "num_depths": 2,
    },
    "MultiGateMixtureOfExperts": {
        "experts": {"type": "mlp", "num_experts": 4, "hidden_dim": 5},
        "routers": {"a": "dense"},
    },
}
JUNK = {
    "None": None,
    "True": True,
    "0": 0,
    "-1": -1,
    "3": 3,
    "1000": 1000,
    "0.5": 0.5,
    "1.5": 1.5,
    "-0.1": -0.1,
    "nan": float("nan"),
    "inf": float("inf"),
    "1j": 1j,
    "empty text": "",
    "text": "abc",
    "number as text": "2",
    "bytes": b"2",
    "empty list": [],
    "list": [1, 2],
    "dict": {"type": "abc"},
    "empty dict": {},
    "array": np.array([0.5, 1.0]),
    "object": object(),
    "class": keras.layers.Dense,
    "layer": "a new Dense",
}


def parameters_of(cls):
    """Names of the arguments of a class and those above it, but for Keras's own."""
    names = []
    for part in cls.__mro__:
        if part.__module__.startswith("keras."):
            break
        if "__init__" in vars(part):
            signature = inspect.signature(part.__init__).parameters
            names += [p.name for p in signature.values() if p.kind is not p.VAR_KEYWORD]
    return [name for name in dict.fromkeys(names) if name != "self"]


EVERY_MISTAKE = [
    (name, parameter, junk)
    for name in ARGUMENTS
    for parameter in parameters_of(getattr(layers, name))
    # Keras interprets these, with messages of its own.
    if not parameter.endswith(("initializer", "regularizer", "constraint", "activation"))
    for junk in JUNK
]


def try_out(name, parameter, junk):
    """Makes and calls a layer with one argument that may be wrong.

    Returns:
        The message of the ValueError or TypeError, or `None` if the argument is fine.
    """
    value = keras.layers.Dense(3) if junk == "layer" else JUNK[junk]
    x = np.ones((2, 3, WIDTH), "float32")
    arguments = {}
    if name.endswith("Router"):
        x = x[0]
        arguments = {"token_ids": ops.ones(3, "int32")} if name == "HashRouter" else {}
    elif name.endswith("Experts") and "Mixture" not in name:
        x, arguments = x[0], {"group_sizes": ops.convert_to_tensor([1, 0, 2, 0])}
    elif name == "GroupedDense":
        x, arguments = x[0], {"group_sizes": ops.convert_to_tensor([1, 0, 2, 0])}
    elif name == "DepthSharedMixtureOfExperts":
        arguments = {"depth": 1}
    try:
        layer = getattr(layers, name)(**{**ARGUMENTS[name], parameter: value})
        if parameter in ("num_experts", "num_groups") and "group_sizes" in arguments:
            layer.build((None, WIDTH))  # The sizes of groups are those of other experts.
            return None
        layer(x, **arguments)
    except (ValueError, TypeError) as error:
        return str(error)
    json.dumps(layer.get_config())
    type(layer).from_config(layer.get_config())
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_mistakes_are_told_by_the_name_of_their_argument(seed):
    mistake = EVERY_MISTAKE[Draws(seed).rng.integers(len(EVERY_MISTAKE))]
    name, parameter, junk = mistake
    others = {
        "experts": "bank",
        "router": "a router",
        "routers": "a router",
        "num_experts": "experts",
    }
    words = {f"`{parameter}`", f"{parameter}=", others.get(parameter, f"`{parameter}`")}
    try:
        message = try_out(*mistake)
        told = message is None or any(word in message for word in words)
        assert told, f"The message does not name `{parameter}`: {message}"
    except Exception as error:
        text = f"{name}({parameter}={junk!r})"
        raise AssertionError(repeats("test_mistakes", seed, text)) from error
