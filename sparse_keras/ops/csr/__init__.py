"""CSR: rows that are mostly zeros, a SciPy matrix as the tensor of the Keras backend in use.

("Sparse" means experts in this library. The tensors themselves are called sparse in TensorFlow and
JAX.) Each `*_backend.py` file beside this one offers the same:

    to_tensor(matrix)        a canonical CSR matrix as a `tf.SparseTensor`, or as a BCOO of JAX
    is_tensor(x)             whether x is such a tensor
    matmul(x, kernel)        x @ kernel
    compiles                 whether XLA can compile a step with such tensors

Keras has no such tensors on PyTorch.
"""

from typing import Any

import keras
import scipy.sparse

if keras.backend.backend() == "tensorflow":
    from sparse_keras.ops.csr import tensorflow_backend as backend
elif keras.backend.backend() == "jax":
    from sparse_keras.ops.csr import jax_backend as backend
else:
    from sparse_keras.ops.csr import torch_backend as backend

to_tensor = backend.to_tensor
is_tensor = backend.is_tensor
matmul = backend.matmul
compiles = backend.compiles


def is_csr(x: Any) -> bool:
    """Whether x is such a tensor, one of a functional model that stands for it, or SciPy's."""
    return is_tensor(x) or getattr(x, "sparse", False) is True or scipy.sparse.issparse(x)
