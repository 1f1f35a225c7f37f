"""The synthetic data of the MMoE paper: two regression tasks of a chosen correlation.

    w_1 = c u_1                      w_2 = c (p u_1 + sqrt(1 - p^2) u_2)
    y_t = w_t . x + sum_m sin(alpha_m w_t . x + beta_m) + noise,    x ~ N(0, I)

with orthonormal u_1, u_2, and p the cosine of the tasks' directions. The paper does not give c, the
number of sines or the law of alpha and beta: here c = 1, five, and N(0, 1).

Rows are drawn afresh for every step, so that no model can memorise them.

Axis letters: S seeds, P correlations, D features, B rows, T = 2 tasks, M sines.

Reference: [Modeling Task Relationships in Multi-task Learning with Multi-gate
Mixture-of-Experts](https://dl.acm.org/doi/10.1145/3219819.3220007).
"""

import numpy as np

DIM = 100
SINES = 5
NOISE_VARIANCE = 0.01


class Problem:
    """What one seed draws: the tasks of all correlations, a stream of rows, rows to test on.

    Tasks of different correlations have the same u_1, u_2, sines, rows and noise, so that not only
    models but also correlations compare in pairs.

    Args:
        seed: Non-negative integer.
        correlations: The P cosines.
    """

    def __init__(self, seed, correlations):
        rng = np.random.default_rng([seed, 0])
        first, second = np.linalg.qr(rng.normal(size=(DIM, 2)))[0].T
        cosine = np.asarray(correlations)[:, None]
        other = cosine * first + np.sqrt(1.0 - cosine**2) * second
        self.directions = np.stack([np.broadcast_to(first, other.shape), other], axis=1)  # [P,T,D]
        self.frequencies = rng.normal(size=SINES)  # alpha
        self.phases = rng.normal(size=SINES)  # beta
        self._stream = np.random.default_rng([seed, 1])
        self._seed = seed

    def next_rows(self, *shape):
        """The stream's next rows: x float32 `[*shape, D]` and noise `[*shape, T]`."""
        return _rows(self._stream, shape)

    def test_rows(self, count):
        """Rows apart from the stream, the same at every call."""
        return _rows(np.random.default_rng([self._seed, 2]), (count,))

    def targets(self, x, noise):
        """float64 `[P, B, T]`, the tasks' values. The reference for `batched_targets`."""
        z = np.einsum("bd,ptd->pbt", x, self.directions)
        sines = np.sin(z[..., None] * self.frequencies + self.phases)
        return z + sines.sum(axis=-1) + noise


def _rows(rng, shape):
    x = rng.standard_normal((*shape, DIM), dtype="float32")
    noise = rng.standard_normal((*shape, 2), dtype="float32") * np.float32(NOISE_VARIANCE**0.5)
    return x, noise


def label_correlations(problem, rows=4096):
    """Pearson's correlation of the two tasks' values, for each of the P cosines."""
    targets = problem.targets(*problem.test_rows(rows))
    return [float(np.corrcoef(of_tasks.T)[0, 1]) for of_tasks in targets]
