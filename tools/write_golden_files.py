"""Writes the golden files of `tests/golden/files`: saved models, and what they predict.

    python tools/write_golden_files.py NAME ...

Every later version has to load them, on every backend, and predict the same: so a file that is
there is never written again. A new feature of the format gets a file of a new name.
"""

import argparse
import pathlib
import platform
import shutil
import sys
import tempfile

import keras
import numpy as np
import pandas as pd

import sparse_keras
from sparse_keras import layers

FILES = pathlib.Path(__file__).resolve().parents[1] / "tests" / "golden" / "files"
ROUTERS = {
    "top_k": layers.TopKRouter(k=2, balance_loss=0.01, z_loss=0.001),
    "deepseek_v3": layers.TopKRouter.preset(
        "deepseek_v3", k=2, num_groups=2, groups_kept=1, bias_update_rate=0.01
    ),
    "cosine": layers.CosineRouter(k=2),
    "threshold": layers.ThresholdRouter(),
    "relu": layers.ReLURouter(k=2),
    "dense": layers.DenseRouter(),
    "uniform": layers.UniformRouter(),
    "hierarchical": layers.HierarchicalRouter(k=2, num_groups=2, groups_kept=1),
    "sinkhorn": layers.SinkhornRouter(k=2),
    "dselect_k": layers.DSelectKRouter(k=2),
}


def routers():
    """A mixture with each router, one behind the other, on sequences."""
    inputs = x = keras.Input((5, 6))
    for name, router in ROUTERS.items():
        mixture = layers.MixtureOfExperts(
            layers.MLPExperts(num_experts=4, hidden_dim=3), router=router, name=name
        )
        x = keras.layers.Add()([x, mixture(x)])
    return keras.Model(inputs, x, name="routers"), {"x": (3, 5, 6)}


def banks():
    """A mixture with each bank of experts, and the other layers with mixtures."""
    inputs = x = keras.Input((5, 6))
    experts = {
        "dense": keras.layers.Dense(6, activation="relu"),
        "glu": layers.GLUExperts(num_experts=4, hidden_dim=3),
        "tied": layers.TiedExperts(4, 6),
        "low_rank": layers.LowRankExperts(num_experts=4, rank=2),
        "layer": keras.layers.EinsumDense("ab,bc->ac", output_shape=(6,), bias_axes="c"),
    }
    for name, bank in experts.items():
        number = None if isinstance(bank, layers.Experts) else 4
        mixture = layers.MixtureOfExperts(bank, num_experts=number, k=2, name=name)
        x = keras.layers.Add()([x, mixture(x)])
    shared = layers.GatedSharedExpert(keras.layers.Dense(6), name="shared")
    x = layers.MixtureOfExperts(
        layers.MLPExperts(num_experts=4, hidden_dim=3),
        k=1,
        shared_expert=shared,
        capacity_factor=1.5,
        name="with_shared",
    )(x)
    x = layers.SoftMixtureOfExperts(layers.MLPExperts(num_experts=2, hidden_dim=3), name="soft")(x)
    depths = layers.DepthSharedMixtureOfExperts(
        layers.MLPExperts(num_experts=3, hidden_dim=2),
        num_depths=2,
        router={"type": "top_k", "k": 1},
        name="depths",
    )
    x = depths(depths(x, depth=0), depth=1)
    gates = layers.MultiGateMixtureOfExperts(
        {"type": "dense", "num_experts": 3, "units": 4},
        {"first": {"type": "top_k", "k": 1}, "second": "dense"},
        name="gates",
    )(x)
    return keras.Model(inputs, gates, name="banks"), {"x": (3, 5, 6)}


def token_routers():
    """Routers that look at more than a token's features: at its id, or at the whole batch."""
    inputs = keras.Input((5,))
    ids = keras.ops.cast(keras.ops.abs(inputs) * 4, "int32")
    x = keras.layers.Embedding(20, 6)(ids)
    hashed = layers.MixtureOfExperts(
        layers.MLPExperts(num_experts=4, hidden_dim=3), router=layers.HashRouter(20, k=2)
    )
    x = keras.layers.Add()([x, hashed(x, token_ids=ids)])
    for router in (layers.ExpertChoiceRouter(), layers.BalancedRouter(k=2)):
        mixture = layers.MixtureOfExperts(
            layers.MLPExperts(num_experts=4, hidden_dim=3), router=router
        )
        x = keras.layers.Add()([x, mixture(x)])
    return keras.Model(inputs, x, name="token_routers"), {"x": (3, 5)}


def _trained(folder, text):
    """Trains a config on a small table."""
    rng = np.random.default_rng(0)
    rows = 120
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(40, 9, rows).round(1)),
            "hours": rng.integers(1, 60, rows),
            "job": rng.choice(["cook", "smith", "clerk"], rows),
        }
    )
    frame["spent"] = (frame["hours"] * 1.5 + rng.normal(size=rows)).round(2)
    frame["rich"] = np.where(frame["hours"] + rng.normal(0, 9, rows) > 30, "yes", "no")
    frame.to_csv(folder / "people.csv", index=False)
    (folder / "people.yaml").write_text(text)
    config = sparse_keras.load_config(folder / "people.yaml")
    run = sparse_keras.train(config, output=folder / "runs", verbose=0)
    return run, frame


TABLE_RUN = """version: 1
extends: tabular/sparse_mlp
data: {type: csv, path: people.csv, target: rich, columns: {spent: ignore}}
model:
  experts: {type: mlp, num_experts: 4, hidden_dim: 4}
  stem: 8
  shared_expert: {hidden_dim: 4, gated: true}
  numeric_embedding: {type: periodic, dim: 4}
  feature_gate: {gate: threshold}
  embedding_dim: 2
training: {epochs: 2, batch_size: 16, early_stopping: null}
"""


MULTITASK_RUN = """version: 1
extends: multitask/mmoe
data: {type: csv, path: people.csv, target: {rich: binary, spent: regression}}
model:
  experts: {type: dense, num_experts: 3, units: 4}
  tower: {hidden_dims: [4]}
  embedding_dim: 2
training: {epochs: 2, batch_size: 16, early_stopping: null, task_weights: {type: uncertainty}}
"""


def write_model(name, build):
    keras.utils.set_random_seed(0)
    model, shapes = build()
    rng = np.random.default_rng(1)
    inputs = {key: rng.normal(size=shape).astype("float32") for key, shape in shapes.items()}
    if keras.backend.backend() != "tensorflow":
        sys.exit("Write golden files on the TensorFlow backend.")
    # A step of training, so that statistics, selection biases and coefficients are not zero.
    outputs = model(*inputs.values())
    targets = keras.tree.map_structure(lambda tensor: np.zeros(tensor.shape), outputs)
    model.compile("sgd", "mse")
    model.train_on_batch(*inputs.values(), targets)
    predictions = keras.tree.flatten(model.predict(*inputs.values(), verbose=0))
    model.save(FILES / f"{name}.keras")
    np.savez(
        FILES / f"{name}.npz",
        **inputs,
        **{f"predictions_{n}": value for n, value in enumerate(predictions)},
    )


def write_run(name, text):
    with tempfile.TemporaryDirectory() as folder:
        run, frame = _trained(pathlib.Path(folder), text)
        rows = frame.head(8)
        rows.to_csv(FILES / f"{name}.csv", index=False)
        predicted = run.model.predict_frame(rows, verbose=0)
        predicted.to_csv(FILES / f"{name}_predictions.csv", index=False)
        shutil.copytree(run.path, FILES / name)
        # Without the machine that wrote it.
        for file in ("environment.json", "resolved.yaml"):
            text = (FILES / name / file).read_text().replace(f"{folder}/", "")
            (FILES / name / file).write_text(text.replace(platform.platform(), "Linux"))


def main():
    models = {"routers": routers, "banks": banks, "token_routers": token_routers}
    runs = {"table_run": TABLE_RUN, "multitask_run": MULTITASK_RUN}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="+", choices=[*models, *runs], metavar="NAME")
    FILES.mkdir(exist_ok=True)
    for name in parser.parse_args().names:
        if (FILES / f"{name}.keras").exists() or (FILES / name).exists():
            sys.exit(f"{name} is there already, and stays as it is for ever.")
        if name in models:
            write_model(name, models[name])
        else:
            write_run(name, runs[name])


if __name__ == "__main__":
    main()
