"""JAX: a BCOO, padded, because each number of non-zeros would be compiled for itself."""

import jax.experimental.sparse as jax_sparse
import jax.numpy as jnp
import numpy as np

from sparse_keras._internal.powers import power_of_two

compiles = True
_SMALLEST = 64


def to_tensor(matrix):
    """The number of entries is the next power of two; the others lie outside and are 0."""
    count = matrix.nnz
    room = max(_SMALLEST, power_of_two(count))
    data = np.zeros(room, matrix.dtype)
    data[:count] = matrix.data
    indices = np.empty((room, 2), "int32")
    indices[:count, 0] = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    indices[:count, 1] = matrix.indices
    indices[count:] = matrix.shape  # Past the last row and column: JAX leaves these out.
    return jax_sparse.BCOO((jnp.asarray(data), jnp.asarray(indices)), shape=matrix.shape)


def is_tensor(x):
    return isinstance(x, jax_sparse.JAXSparse)


def matmul(x, kernel):
    return x @ kernel
