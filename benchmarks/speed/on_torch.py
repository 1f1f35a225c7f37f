"""Steps on PyTorch: eager, as Keras runs it. The layer may be Keras's or any module like it."""

import keras
import torch

tensor = keras.ops.convert_to_tensor


def device():
    """The name of the GPU, or None."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def wait(_):
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_peak():
    """The most bytes that were in use on the GPU, or None."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def inference(layer, xla):
    @torch.no_grad()
    def step(x):
        return layer(x, training=False)

    return step


def gradient(layer, xla):
    weights = [weight for weight in layer.parameters() if weight.requires_grad]

    def step(x, upstream):
        x = x.detach().requires_grad_()
        y = layer(x, training=True)
        loss = torch.sum(y.float() * upstream) + sum(layer.losses)
        return torch.autograd.grad(loss, [x, *weights])

    return step
