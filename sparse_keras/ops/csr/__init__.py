"""Rows that are mostly zeros: a SciPy matrix as the tensor of the backend in use.

Each `*_backend.py` file beside this one offers the same:

    sparse_tensor(matrix)    a canonical CSR matrix as a `tf.SparseTensor`, or as a BCOO of JAX
    is_sparse(x)             whether x is such a tensor
    matmul(x, kernel)        x @ kernel
    compiles                 whether XLA can compile a step with such tensors

Keras has no sparse tensors on PyTorch.
"""

import keras
import scipy.sparse

if keras.backend.backend() == "tensorflow":
    from sparse_keras.ops.csr import tensorflow_backend as backend
elif keras.backend.backend() == "jax":
    from sparse_keras.ops.csr import jax_backend as backend
else:
    from sparse_keras.ops.csr import torch_backend as backend

sparse_tensor = backend.sparse_tensor
is_sparse = backend.is_sparse
matmul = backend.matmul
compiles = backend.compiles


def is_any_sparse(x):
    """Whether x is sparse: a tensor, what stands for one in a functional model, or SciPy's."""
    return is_sparse(x) or getattr(x, "sparse", False) is True or scipy.sparse.issparse(x)
