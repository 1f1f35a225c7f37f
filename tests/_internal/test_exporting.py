"""Exports that a backend cannot do."""

import numpy as np
import pytest

from sparse_keras._internal.exporting import refuse_portable


def called_by(module, function, *arguments):
    """Calls a function from a module of that name."""
    names = {"__name__": module, "function": function, "arguments": arguments}
    exec("result = function(*arguments)", names)
    return names["result"]


def test_formats_that_need_tensorflow_are_refused():
    for name in ("onnx", "litert", "openvino"):
        with pytest.raises(ValueError, match=f"to '{name}' on the Keras backend 'jax'.*KERAS_BACK"):
            called_by(f"keras.src.export.{name}", refuse_portable, "jax")
    called_by("keras.src.export.torch", refuse_portable, "torch")
    refuse_portable("torch")


@pytest.mark.jax
def test_jax_refuses_them():
    import jax

    from sparse_keras.ops import group_rows

    def double(rows):
        return group_rows(rows, np.array([1, 1])).map(lambda x: 2 * x).join()

    rows = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(jax.jit(double)(rows), 2 * rows)
    with pytest.raises(ValueError, match="cannot be exported to 'onnx'"):
        called_by("keras.src.export.onnx", jax.make_jaxpr(double), rows)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_torch_refuses_them():
    import torch

    from sparse_keras.ops import group_rows

    def double(rows):
        return group_rows(rows, torch.tensor([1, 1])).map(lambda x: 2 * x).join()

    rows = torch.ones((2, 3))
    np.testing.assert_array_equal(double(rows), 2 * rows)
    with pytest.raises(ValueError, match="cannot be exported to 'onnx'"):
        called_by("keras.src.export.onnx", torch.jit.trace, double, rows)
