"""A plug-in whose data are no table: sequences of numbers, a preprocessor and a model for them.

Everything that a plug-in of another kind of data brings stands here; nothing of the library knows
of it. `test_sequences.py` trains it from YAML.
"""

import dataclasses
from typing import Literal

import keras
import numpy as np
from pydantic import Field

from sparse_keras import register_dataset, register_model
from sparse_keras.data import ArrayBatches, Preprocessor, digest_of
from sparse_keras.layers import MixtureOfExperts
from sparse_keras.schema import DataSection, ModelSection
from sparse_keras.tasks import Binary

WIDTH = 3


class Waves(DataSection):
    """Does a sequence rise or fall?"""

    type: Literal["waves"] = Field("waves", description="Sequences of three numbers.")
    examples: int = Field(256, ge=8, description="Number of sequences.")
    length: int = Field(6, ge=2, description="Steps of each sequence.")
    preprocess: bool = Field(True, description="Whether the model takes raw sequences.")


class WaveModel(ModelSection):
    """Experts at each step of a sequence."""

    type: Literal["wave_experts"] = Field("wave_experts", description="Experts at each step.")
    num_experts: int = Field(4, ge=1, description="Number of experts.")
    units: int = Field(8, ge=1, description="Width of an expert.")

    def dense_twin(self, width):
        return {"type": "dense_waves", "hidden_dim": width}


class DenseWaveModel(ModelSection):
    """A dense layer at each step of a sequence."""

    HAS_EXPERTS = False

    type: Literal["dense_waves"] = Field("dense_waves", description="Dense at each step.")
    hidden_dim: int = Field(8, ge=1, description="Width of the layer.")


@keras.saving.register_keras_serializable(package="tests")
class Scaled(Preprocessor):
    """Raw sequences are lists of steps; the model gets them divided by the largest number."""

    def __init__(self, largest, classes):
        self.largest = float(largest)
        self.classes = list(classes)

    @property
    def task(self):
        return Binary("direction", tuple(self.classes))

    def is_raw(self, x):
        return isinstance(x, list)

    def encode(self, x):
        return np.array(x, "float32", ndmin=3) / self.largest if x else np.zeros((0, 1, WIDTH))

    def get_config(self):
        return {"largest": self.largest, "classes": self.classes}


@dataclasses.dataclass
class WaveData:
    """A `sparse_keras.data.Dataset`."""

    train: ArrayBatches
    validation: ArrayBatches
    test: ArrayBatches
    raw_test: list | None
    preprocessor: Scaled | None
    inputs: tuple
    task: Binary
    name: str = "waves"
    weighted: bool = False

    def digest(self):
        return digest_of([self.train.x, self.train.y])


def raw_waves(examples, length, seed):
    """Lists of steps, and whether each sequence rises."""
    rng = np.random.default_rng(seed)
    rises = rng.integers(0, 2, examples)
    steps = np.where(rises[:, None], 1.0, -1.0) * np.linspace(0, 9, length)
    noise = rng.normal(size=(examples, length, WIDTH))
    return (steps[..., None] + noise).tolist(), rises


def load_waves(section, batch_size, seed):
    parts = [raw_waves(section.examples, section.length, part) for part in range(3)]
    preprocessor = Scaled(np.abs(parts[0][0]).max(), ["falls", "rises"])
    train, validation, test = (
        ArrayBatches(
            preprocessor.encode(raw),
            rises.astype("float32"),
            batch_size=batch_size,
            shuffle=number == 0,
            seed=seed,
        )
        for number, (raw, rises) in enumerate(parts)
    )
    inputs, task = (section.length, WIDTH), preprocessor.task
    if not section.preprocess:
        return WaveData(train, validation, test, None, None, inputs, task)
    return WaveData(train, validation, test, parts[2][0], preprocessor, inputs, task)


def wave_experts(inputs, task, num_experts, units):
    x = keras.Input(inputs)
    experts = keras.layers.Dense(units, activation="relu")
    y = MixtureOfExperts(experts, num_experts=num_experts, k=1, name="mixture")(x)
    y = keras.layers.GlobalAveragePooling1D()(y)
    return keras.Model(x, task.head(y), name="wave_experts")


def dense_waves(inputs, task, hidden_dim):
    x = keras.Input(inputs)
    y = keras.layers.Dense(hidden_dim, activation="relu")(x)
    y = keras.layers.GlobalAveragePooling1D()(y)
    return keras.Model(x, task.head(y), name="dense_waves")


def register():
    """A plug-in calls these when it is imported; tests do not, to leave other tests alone."""
    register_dataset(Waves, load_waves)
    register_model(WaveModel, wave_experts)
    register_model(DenseWaveModel, dense_waves)
