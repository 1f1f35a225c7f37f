"""Losses and statistics under `tf.distribute.MirroredStrategy`, on 1, 2 and 4 devices."""

import subprocess
import sys
import textwrap
import threading

import pytest

from sparse_keras.layers.replica_losses import ReplicaLosses

# Two mixtures, and between them two kinds of weights that replicas write together: the statistics
# of a BatchNormalization, and a selection bias. The last batch has 4 of 8 rows.
REPLICAS = """
    import keras, numpy as np, tensorflow as tf
    from sparse_keras.callbacks import ExpertLoad
    from sparse_keras.layers import DenseExperts, EnsembleHead, MixtureOfExperts, TopKRouter

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
    )
    x = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
    options = {"kernel_initializer": "zeros", "seed": 0}

    def build():
        model = keras.Sequential([
            keras.Input((6,)),
            MixtureOfExperts(DenseExperts(4, 6), router=TopKRouter(balance_loss=1.0, **options)),
            keras.layers.BatchNormalization(),
            MixtureOfExperts(
                DenseExperts(4, 6),
                router=TopKRouter(
                    balance_loss=0.0, z_loss=0.5, select_on="score_plus_bias", **options
                ),
            ),
        ])
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
        return model

    def build_ensemble():
        # Its loss is that of the head: the mixture after it returns zeros.
        model = keras.Sequential([
            keras.Input((6,)),
            keras.layers.Reshape((2, 3)),
            EnsembleHead(6),
            MixtureOfExperts(
                DenseExperts(4, 6, kernel_initializer="zeros"),
                router=TopKRouter(balance_loss=0.0, select_on="score_plus_bias", **options),
            ),
        ])
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
        return model

    def fit(model):
        history = model.fit(
            x, 0 * x, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[ExpertLoad()]
        ).history
        return {name: values[-1] for name, values in history.items()}

    losses = []
    for replicas in (1, 2, 4):
        # Collective operations, the default, allow one strategy in a process.
        strategy = tf.distribute.MirroredStrategy(
            [f"CPU:{n}" for n in range(replicas)],
            cross_device_ops=tf.distribute.ReductionToOneDevice(),
        )
        with strategy.scope():
            keras.utils.set_random_seed(0)
            model, ensemble = build(), build_ensemble()
        losses.append(fit(ensemble)["loss"])
        np.testing.assert_allclose(losses[-1], losses[0], rtol=1e-5)
        logs = fit(model)
        # Equal scores: the balance loss is 1, and the z-loss log(4) ** 2.
        np.testing.assert_allclose(logs["aux_loss"], 1 + 0.5 * np.log(4) ** 2, rtol=1e-5)
        np.testing.assert_allclose(logs["loss"] - logs["aux_loss"], logs["task_loss"])
        assert 0 < logs["task_loss"] < 4, logs
        first = model.layers[0].routing_statistics()
        # Of one epoch, as the first was reset.
        assert first["assigned"] == 40 and first["calls"] == 3 * replicas, first
        np.testing.assert_allclose(first["load"], [0.5, 0.5, 0, 0])
        if replicas != 2:
            continue
        # Files, read with as many replicas and with none.
        model.save("{folder}/model.keras")
        with strategy.scope():
            again = keras.models.load_model("{folder}/model.keras")
        alone = keras.models.load_model("{folder}/model.keras")
        for loaded in (again, alone):
            assert loaded.layers[0].routing_statistics()["assigned"] == 40
        again.layers[0].reset_statistics()
        assert again.layers[0].routing_statistics()["assigned"] == 0
        # A call outside of `strategy.run`.
        again.layers[0](x, training=True)
        assert again.layers[0].routing_statistics()["assigned"] == 40
"""


@pytest.mark.slow
@pytest.mark.tensorflow
def test_replicas_report_the_losses_of_one(tmp_path):
    program = textwrap.dedent(REPLICAS).replace("{folder}", tmp_path.as_posix())
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_each_thread_has_its_own_losses():
    losses, seen = ReplicaLosses(), []
    losses.extend([1, 2])

    def replica():
        seen.append(list(losses))
        losses.clear()
        losses.extend([3])
        seen.append(losses[:])

    thread = threading.Thread(target=replica)
    thread.start()
    thread.join()
    assert seen == [[], [3]]
    assert losses[:] == [1, 2] and len(losses) == 2
