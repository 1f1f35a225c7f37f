"""SparseProjection: from rows that are mostly zeros to a dense vector, by the non-zeros alone."""

import keras

from sparse_keras.ops import csr


@keras.saving.register_keras_serializable(package="sparse_keras")
class SparseProjection(keras.layers.Dense):
    """A `keras.layers.Dense` whose input is sparse: `y = activation(x @ kernel + bias)`.

    Each output is the sum over a row's non-zeros of value times row of the kernel. Time and memory
    grow with the non-zeros; the dense form of the input never exists. `Dense` does that too. Two
    things are better here on TensorFlow: the gradient of the kernel is one matrix, so that
    `optimizers.FusedOptimizer` can compile the update, which makes it faster; and the layer says
    that XLA cannot compile a step of sparse tensors, so that `jit_compile="auto"` leaves it alone.
    Dense inputs are served as by `Dense`.

    Optimizers with moments, such as Adam, update the whole kernel in each step. With small batches
    of a large vocabulary that takes longer than the layer.

    Args:
        units: Width of the output.
        activation: Activation function.
        use_bias: Whether to add a bias.
        kernel_initializer: Where the kernel starts.
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

    def __call__(self, inputs, *args, **kwargs):
        if csr.is_any_sparse(inputs):
            self.supports_jit = csr.compiles  # Keras asks when a model of the layer is compiled.
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs, training=None):
        if not csr.is_sparse(inputs):
            return super().call(inputs, training=training)
        outputs = csr.matmul(inputs, self.kernel)
        if self.use_bias:
            outputs = keras.ops.add(outputs, self.bias)
        return self.activation(outputs)

    def quantize(self, mode=None, **kwargs):
        raise NotImplementedError(
            "SparseProjection cannot be quantized: Keras has no quantized product of sparse "
            f"tensors. Received: mode={mode!r}. Leave this layer out with `filters`."
        )
