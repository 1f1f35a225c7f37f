"""The global generators of random numbers, which layers and callbacks may draw from.

Keras layers have generators of their own, whose states are variables. On PyTorch, though, Keras's
dropout draws from PyTorch's global generator.
"""

import random
import sys
from typing import Any

import keras
import numpy as np


def random_state() -> dict[str, Any]:
    """Returns their states, as plain values."""
    state = {"python": random.getstate(), "numpy": np.random.get_state()}
    if keras.backend.backend() == "torch":
        state["torch"] = sys.modules["torch"].get_rng_state().numpy()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Sets the states that `random_state` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    if "torch" in state:
        torch = sys.modules["torch"]
        torch.set_rng_state(torch.from_numpy(state["torch"].copy()))
