"""Many trainings of one small network at once: one program, every weight with an axis of runs.

A training of these networks takes 4000 steps that are too small to keep a core busy. Here all runs
take each step together: matmuls become batched matmuls, and XLA compiles the loop over steps, with
Adam in it, to one program. Runs do not meet anywhere, so that each ends as it would alone;
`tests/test_mmoe_synthetic.py` trains the library's own models one by one and compares.

Axis letters: R runs, S seeds, P correlations (R = P * S, correlations outermost), N steps, B rows,
D features, T = 2 tasks, E experts, H units.
"""

import numpy as np
import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # keras.optimizers.Adam


def shared_bottom(weights, x):
    """One hidden layer for both tasks, then a tower each. Returns `[R, B, T]`."""
    kernel, bias, *towers = weights
    shared = tf.nn.relu(x @ kernel + bias[:, None])
    return _heads(_products(shared, [towers[0], towers[4]]), towers)


def omoe(weights, x):
    """Experts and one gate for both tasks, then a tower each."""
    kernel, bias, gate, *towers = weights
    experts, logits = _experts(x, kernel, bias, [gate])
    mixed = _mix(experts, logits[0])
    return _heads(_products(mixed, [towers[0], towers[4]]), towers)


def mmoe(weights, x):
    """Experts for both tasks, then a gate and a tower each."""
    kernel, bias, *gates = weights[:4]
    towers = weights[4:]
    experts, logits = _experts(x, kernel, bias, gates)
    mixed = [_mix(experts, of_task) for of_task in logits]
    return _heads([mixed[0] @ towers[0], mixed[1] @ towers[4]], towers)


def _products(x, kernels):
    """`[x @ kernel for kernel in kernels]`, as one matmul: several narrow ones take longer."""
    widths = [kernel.shape[-1] for kernel in kernels]
    return tf.split(x @ tf.concat(kernels, axis=-1), widths, axis=-1)


def _experts(x, kernel, bias, gates):
    """`[R, B, D]`, kernel `[R, E, D, H]` -> experts' outputs `[R, B, E, H]`, gates' logits."""
    runs, experts, width, units = kernel.shape
    joined = tf.reshape(tf.transpose(kernel, (0, 2, 1, 3)), (runs, width, experts * units))
    hidden, *logits = _products(x, [joined, *gates])
    hidden = tf.reshape(hidden, (runs, x.shape[1], experts, units))
    return tf.nn.relu(hidden + bias[:, None]), logits


def _mix(experts, logits):
    """The experts' outputs, weighted by a softmax. Returns `[R, B, H]`."""
    return tf.reduce_sum(experts * tf.nn.softmax(logits)[..., None], axis=2)


def _heads(hidden, towers):
    """What follows the matmul of each task's tower, a hidden layer, and its linear head."""
    outputs = []
    for number, x in enumerate(hidden):
        _, bias, head, head_bias = towers[4 * number : 4 * number + 4]
        outputs.append(tf.nn.relu(x + bias[:, None]) @ head + head_bias[:, None])
    return tf.concat(outputs, axis=-1)


FORWARD = {"shared_bottom": shared_bottom, "omoe": omoe, "mmoe": mmoe}


class BatchedRuns:
    """R trainings of each kind of network, on the streams of S problems.

    Args:
        problems: List of S `Problem`s.
        weights: Dict from a kind, a name of `FORWARD`, to its initial weights: a list of arrays,
            each with a leading axis of R = P * S.
        learning_rates: Dict from a kind to Adam's learning rate, a number or `[R]`.
        batch_size: B.
        test_rows: Rows that each seed's losses are measured on.
        compiled: Whether XLA compiles the programs, which takes a while and pays off after some
            hundred steps.
    """

    def __init__(
        self, problems, weights, learning_rates, batch_size=256, test_rows=4096, compiled=True
    ):
        self.problems = problems
        self._programs = (_TRAIN, _LOSSES) if compiled else (_TRAIN_PLAIN, _LOSSES_PLAIN)
        self.batch_size = batch_size
        stack = [np.stack(parts) for parts in zip(*map(_constants, problems), strict=True)]
        self._tasks = [tf.constant(part, tf.float32) for part in stack]
        self.correlations = self._tasks[0].shape[1]
        runs = self.correlations * len(problems)
        self._rates = {
            kind: tf.constant(np.broadcast_to(rate, (runs,)), tf.float32)
            for kind, rate in learning_rates.items()
        }
        self._state = {
            kind: [
                [tf.constant(w, tf.float32) for w in of_kind],
                [tf.zeros_like(w) for w in of_kind],
                [tf.zeros_like(w) for w in of_kind],
            ]
            for kind, of_kind in weights.items()
        }
        self._step = tf.constant(0.0)
        test = [problem.test_rows(test_rows) for problem in problems]
        self._test = [tf.constant(np.stack(part)) for part in zip(*test, strict=True)]

    def train(self, steps):
        """Takes the next steps of all runs."""
        rows = [problem.next_rows(steps, self.batch_size) for problem in self.problems]
        x, noise = (np.stack(part, axis=1) for part in zip(*rows, strict=True))  # [N,S,B,D|T]
        self._state, self._step = self._programs[0](
            self._state, self._step, tf.constant(x), tf.constant(noise), self._tasks, self._rates
        )

    def test_losses(self):
        """Dict from kind to the mean squared error, float `[P, S, T]`, noise included."""
        weights = {kind: state[0] for kind, state in self._state.items()}
        shape = (self.correlations, len(self.problems), 2)
        found = self._programs[1](weights, *self._test, self._tasks)
        return {kind: loss.numpy().reshape(shape) for kind, loss in found.items()}

    def weights(self, kind):
        """The weights of a kind as arrays."""
        return [w.numpy() for w in self._state[kind][0]]


def _constants(problem):
    return problem.directions, problem.frequencies, problem.phases


def batched_targets(x, noise, directions, frequencies, phases):
    """`[S, B, D]`, noise `[S, B, T]` -> the tasks' values `[R, B, T]`."""
    z = tf.einsum("sbd,sptd->psbt", x, directions)
    sines = tf.sin(z[..., None] * frequencies[:, None, None] + phases[:, None, None])
    values = z + tf.reduce_sum(sines, axis=-1) + noise
    return tf.reshape(values, (-1, *values.shape[2:]))


def _runs(x, correlations):
    """Every correlation sees the same rows: `[S, B, D]` -> `[R, B, D]`."""
    return tf.tile(x, (correlations, 1, 1))


def _train(state, step, x, noise, tasks, rates):
    for number in tf.range(x.shape[0]):
        targets = batched_targets(x[number], noise[number], *tasks)
        rows = _runs(x[number], tasks[0].shape[1])
        step += 1.0
        # Adam's bias corrections, as Keras has them: one factor on the learning rate.
        correction = tf.sqrt(1.0 - BETA_2**step) / (1.0 - BETA_1**step)
        state = {
            kind: _adam(*of_kind, _gradients(kind, of_kind[0], rows, targets), rate * correction)
            for (kind, of_kind), rate in zip(state.items(), rates.values(), strict=True)
        }
    return state, step


def _gradients(kind, weights, x, targets):
    with tf.GradientTape() as tape:
        tape.watch(weights)
        errors = tf.square(FORWARD[kind](weights, x) - targets)
        # The sum over tasks and runs of means over rows: each run gets its own loss's gradient.
        loss = tf.reduce_sum(tf.reduce_mean(errors, axis=1))
    return tape.gradient(loss, weights)


def _adam(weights, means, squares, gradients, rate):
    means = [m + (g - m) * (1.0 - BETA_1) for m, g in zip(means, gradients, strict=True)]
    squares = [
        v + (tf.square(g) - v) * (1.0 - BETA_2) for v, g in zip(squares, gradients, strict=True)
    ]
    weights = [
        w - tf.reshape(rate, (-1,) + (1,) * (len(w.shape) - 1)) * m / (tf.sqrt(v) + EPSILON)
        for w, m, v in zip(weights, means, squares, strict=True)
    ]
    return [weights, means, squares]


def _losses(weights, x, noise, tasks):
    targets = batched_targets(x, noise, *tasks)
    rows = _runs(x, tasks[0].shape[1])
    return {
        kind: tf.reduce_mean(tf.square(FORWARD[kind](of_kind, rows) - targets), axis=1)
        for kind, of_kind in weights.items()
    }


_TRAIN, _LOSSES = (tf.function(one, jit_compile=True) for one in (_train, _losses))
_TRAIN_PLAIN, _LOSSES_PLAIN = (tf.function(one) for one in (_train, _losses))
