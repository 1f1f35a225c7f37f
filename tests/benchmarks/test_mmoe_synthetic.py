"""The study of the MMoE paper: its batched program trains what the library's models would."""

import keras
import numpy as np
import pytest

from benchmarks.studies import correlated_tasks, synthetic_networks
from benchmarks.studies import mmoe_synthetic as study
from tests.support.quick import slow_but_for

pytestmark = pytest.mark.tensorflow

CORRELATIONS = (0.5, 1.0)
SEEDS = (3, 4)
KINDS = list(synthetic_networks.KINDS)


def batched(rows, kinds=KINDS, seeds=SEEDS, compiled=False):
    from benchmarks.studies.tensorflow_batched_runs import BatchedRuns

    return BatchedRuns(
        [correlated_tasks.Problem(seed, CORRELATIONS) for seed in seeds],
        {k: synthetic_networks.initial_weights(k, seeds, len(CORRELATIONS)) for k in kinds},
        dict.fromkeys(kinds, 1e-2),
        batch_size=rows,
        test_rows=50,
        compiled=compiled,
    )


def trained_alone(kind, seed, correlation, steps, rows):
    """The library's model, trained by Keras: its weights and test losses, one for each task."""
    problem = correlated_tasks.Problem(seed, CORRELATIONS)
    keras.utils.set_random_seed(seed)
    model = synthetic_networks.build(kind)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")

    def named(targets):
        return dict(zip(synthetic_networks.TASKS, targets[correlation].T[..., None], strict=True))

    # The stream draws all rows of a call first, then all noise.
    for x, noise in zip(*problem.next_rows(steps, rows), strict=True):
        model.train_on_batch(x, named(problem.targets(x, noise)))
    x, noise = problem.test_rows(50)
    targets, outputs = named(problem.targets(x, noise)), model.predict_on_batch(x)
    losses = [np.mean((outputs[task] - targets[task]) ** 2) for task in synthetic_networks.TASKS]
    return [variable.numpy() for variable in synthetic_networks.ordered(model)], losses


@pytest.mark.slow
@pytest.mark.parametrize("kind", slow_but_for(["mmoe"], KINDS))
def test_a_run_of_the_batch_is_a_training_of_the_library_alone(kind):
    """Forward, gradients and Adam: after six steps, weights and losses are those of Keras."""
    runs = batched(8, [kind])
    runs.train(6)
    losses, weights = runs.test_losses()[kind], runs.weights(kind)
    correlation, number = (0, 1) if kind == "mmoe" else (1, 0)
    expected, expected_losses = trained_alone(kind, SEEDS[number], correlation, 6, 8)
    run = correlation * len(SEEDS) + number
    for found, one in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found[run], one, atol=2e-5)
    np.testing.assert_allclose(losses[correlation, number], expected_losses, rtol=1e-4)


@pytest.mark.slow
def test_runs_do_not_meet():
    """A batch of two seeds is two batches of one seed."""
    together = batched(8)
    together.train(3)
    for number, seed in enumerate(SEEDS):
        alone = batched(8, seeds=(seed,))
        alone.train(3)
        for kind, losses in alone.test_losses().items():
            of_seed = together.test_losses()[kind][:, [number]]
            np.testing.assert_allclose(of_seed, losses, rtol=1e-4)


@pytest.mark.slow
def test_compiled_and_plain_programs_agree():
    compiled, plain = batched(8, compiled=True), batched(8)
    for runs in (compiled, plain):
        runs.train(5)
    for kind, losses in compiled.test_losses().items():
        np.testing.assert_allclose(losses, plain.test_losses()[kind], rtol=1e-3)


def test_the_tasks_are_the_papers():
    """A loop over rows and sines, the cosine p, the variance of the noise."""
    problem = correlated_tasks.Problem(0, (0.5, 1.0))
    x, noise = problem.next_rows(4)
    targets = problem.targets(x, noise)
    for p in range(2):
        first, second = problem.directions[p]
        np.testing.assert_allclose([first @ first, second @ second], 1.0)
        np.testing.assert_allclose(first @ second, (0.5, 1.0)[p])
        for row in range(4):
            for task, w in enumerate((first, second)):
                z = sum(w[d] * x[row, d] for d in range(100))
                value = z + noise[row, task]
                for alpha, beta in zip(problem.frequencies, problem.phases, strict=True):
                    value += np.sin(alpha * z + beta)
                np.testing.assert_allclose(targets[p, row, task], value, rtol=1e-5, atol=1e-5)
    _, noise = problem.next_rows(20_000)
    np.testing.assert_allclose(noise.var(), correlated_tasks.NOISE_VARIANCE, rtol=0.03)
    x, _ = problem.test_rows(5)
    np.testing.assert_array_equal(x, problem.test_rows(5)[0])
    assert np.abs(x - problem.next_rows(5)[0]).min() > 0


@pytest.mark.slow
def test_a_quick_run(tmp_path):
    file = tmp_path / "quick.json"
    study.main(["--quick", "--output", str(file)])
    result = study.pages.read(file)
    assert result["seeds"] == 3 and result["curves"]["steps"] == [0, 2, 4]
    for kind in KINDS:
        assert np.shape(result["final"][kind]) == (3, 3)
        assert np.isfinite(result["curves"][kind]["mean"]).all()
    for block in study.report.BLOCKS.values():
        assert block(result)
    assert "</svg>" in file.with_suffix(".svg").read_text()
