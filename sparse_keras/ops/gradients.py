"""Functions with a gradient of their own, on every backend.

    linear_map(forward, transpose, x, *constants)
        forward(x, *constants), linear in x; its gradient is transpose(upstream, *constants)

    bilinear_map(forward, transpose_x, transpose_w, x, w, *constants)    (not on PyTorch)
        forward(x, w, *constants), linear in x and in w; its gradients are
        transpose_x(upstream, w, *constants) and transpose_w(upstream, x, *constants)

x, w and the result each are a tensor or a tuple of tensors. Constants are arguments, not closures:
JAX refuses to differentiate a function with a gradient of its own that closes over values of the
trace it is differentiated in.
"""

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def linear_map(forward, transpose, x, *constants):
        @tf.custom_gradient
        def mapped(*parts):
            def grad(*upstream):
                return linear_map(transpose, forward, _like(upstream), *constants)

            return forward(_like(parts), *constants), grad

        return mapped(*_tensors(x))

    def bilinear_map(forward, transpose_x, transpose_w, x, w, *constants):
        x, w = _tensors(x), _tensors(w)

        @tf.custom_gradient
        def mapped(*parts):
            x_parts, w_parts = _like(parts[: len(x)]), _like(parts[len(x) :])

            def grad(*upstream):
                x_grad = transpose_x(_like(upstream), w_parts, *constants)
                w_grad = transpose_w(_like(upstream), x_parts, *constants)
                return [*_tensors(x_grad), *_tensors(w_grad)]

            return forward(x_parts, w_parts, *constants), grad

        return mapped(*x, *w)

    def _tensors(x):
        # Of a variable read inside, `custom_gradient` would make one more input of the function.
        return [tf.convert_to_tensor(part) for part in (x if isinstance(x, tuple) else (x,))]

    def _like(parts):
        return parts if len(parts) > 1 else parts[0]

elif keras.backend.backend() == "jax":
    import jax

    def linear_map(forward, transpose, x, *constants):
        @jax.custom_vjp
        def mapped(x, *constants):
            return forward(x, *constants)

        def mapped_forward(x, *constants):
            return mapped(x, *constants), constants

        def mapped_backward(constants, upstream):
            return linear_map(transpose, forward, upstream, *constants), *(None for _ in constants)

        mapped.defvjp(mapped_forward, mapped_backward)
        return mapped(x, *constants)

    def bilinear_map(forward, transpose_x, transpose_w, x, w, *constants):
        @jax.custom_vjp
        def mapped(x, w, *constants):
            return forward(x, w, *constants)

        def mapped_forward(x, w, *constants):
            return mapped(x, w, *constants), (x, w, constants)

        def mapped_backward(residuals, upstream):
            x, w, constants = residuals
            return (
                transpose_x(upstream, w, *constants),
                transpose_w(upstream, x, *constants),
                *(None for _ in constants),
            )

        mapped.defvjp(mapped_forward, mapped_backward)
        return mapped(x, w, *constants)

else:
    import torch

    def linear_map(forward, transpose, x, *constants):
        class Mapped(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return forward(x, *constants)

            @staticmethod
            def backward(ctx, upstream):
                return linear_map(transpose, forward, upstream, *constants)

        return Mapped.apply(x)
