"""SparseProjection: a Dense layer for rows that are mostly zeros, such as bags of words."""

from typing import Any

import keras

from sparse_keras._internal.typing import Tensor
from sparse_keras.ops import csr


@keras.saving.register_keras_serializable(package="sparse_keras")
class SparseProjection(keras.layers.Dense):
    """A `keras.layers.Dense` whose input is sparse: `y = activation(x @ kernel + bias)`.

    Each output is the sum, over the non-zeros of a row, of the value times a row of the kernel.
    Time and memory grow with the number of non-zeros; the input is never made dense. `Dense` does
    the same, but on TensorFlow this layer has two advantages. The gradient of the kernel is one
    matrix, so that `optimizers.FusedOptimizer` can compile the update, which is faster. And the
    layer declares that XLA cannot compile a step with sparse tensors, so that `jit_compile="auto"`
    does not try. With dense inputs it works as `Dense`.

    Optimizers with moments, such as Adam, update the whole kernel in each step. With small batches
    and a large vocabulary that takes longer than the layer itself.

    Args:
        units: Width of the output.
        activation: Activation function.
        use_bias: Whether to add a bias.
        kernel_initializer: Initializer of the kernel.
        **kwargs: Other arguments of `keras.layers.Dense`.

    Call arguments:
        inputs: Sparse tensor `[N, D]` (`tf.SparseTensor`, BCOO of JAX), or a tensor `[..., D]`.

    Output shape:
        `[N, units]`.

    Example:

    >>> import scipy.sparse
    >>> model = keras.Sequential(
    ...     [keras.Input((1000,), sparse=True), sparse_keras.layers.SparseProjection(8)]
    ... )
    >>> model.predict(scipy.sparse.random(5, 1000, density=0.01, format="csr"), verbose=0).shape
    (5, 8)
    """

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if csr.is_csr(inputs):
            self.supports_jit = csr.compiles  # Keras asks when a model of the layer is compiled.
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not csr.is_tensor(inputs):
            return super().call(inputs, training=training)
        outputs = csr.matmul(inputs, self.kernel)
        if self.use_bias:
            outputs = keras.ops.add(outputs, self.bias)
        return self.activation(outputs)

    def quantize(self, mode: Any = None, **kwargs: Any) -> None:
        raise NotImplementedError(
            "SparseProjection cannot be quantized: Keras has no quantized product of sparse "
            f"tensors. Received: mode={mode!r}. Leave this layer out with `filters`."
        )
