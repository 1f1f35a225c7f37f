"""Functions that read weights refuse models whose weights are not all there is of them."""

import numpy as np
import pytest

import sparse_keras
from sparse_keras.models import causal_lm

IDS = np.array([[3, 1, 4, 1]])


def model(**changes):
    arguments = {"vocabulary_size": 20, "depth": 1, "width": 8, "num_heads": 2}
    return causal_lm(**arguments | {"context_length": 8} | changes)


FUNCTIONS = {
    "save_pretrained": lambda model, folder: sparse_keras.save_pretrained(model, folder),
    "upcycle": lambda model, folder: sparse_keras.upcycle(model, 4),
    "prune_experts": lambda model, folder: sparse_keras.prune_experts(model, IDS, keep=2),
    "merge_experts": lambda model, folder: sparse_keras.merge_experts(model, IDS, 2),
    "dense_student": lambda model, folder: sparse_keras.dense_student(model, IDS),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lora_and_quantized_layers_are_refused(function, tmp_path):
    experts = {"experts": {"type": "glu", "num_experts": 4, "hidden_dim": 8}}
    dense = function == "upcycle"
    tuned = model(**{"hidden_dim": 8} if dense else experts)
    sparse_keras.enable_lora(tuned, 2, roles=["feed_forward" if dense else "experts"])
    with pytest.raises(ValueError, match=rf"`{function}`.* LoRA .*merge_lora"):
        FUNCTIONS[function](tuned, tmp_path / "new")
    sparse_keras.merge_lora(tuned)
    (tuned.blocks[0].feed_forward.up if dense else tuned.blocks[0].feed_forward.experts).quantize(
        "int8"
    )
    with pytest.raises(ValueError, match=rf"`{function}`.* quantized"):
        FUNCTIONS[function](tuned, tmp_path / "new")
    assert not (tmp_path / "new").exists()
