"""PyTorch: Keras has no sparse tensors there."""

compiles = False


def to_tensor(matrix):
    raise ValueError(
        "Sparse inputs need the Keras backend 'tensorflow' or 'jax': Keras has no sparse tensors "
        f"on PyTorch. Received: a matrix of shape {tuple(matrix.shape)}. Start Python with "
        "KERAS_BACKEND=tensorflow, or pass an array, matrix.toarray(), if it fits into memory."
    )


def is_tensor(x):
    return False


def matmul(x, kernel):
    raise NotImplementedError
