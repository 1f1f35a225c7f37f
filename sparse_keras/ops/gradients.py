"""Functions with a gradient of their own, on every backend.

    linear_map(forward, transpose, x, *constants)
        forward(x, *constants), linear in x; its gradient is transpose(upstream, *constants)

    bilinear_map(forward, transpose_x, transpose_w, x, w, *constants)
        forward(x, w, *constants), linear in x and in w; its gradients are
        transpose_x(upstream, w, *constants) and transpose_w(upstream, x, *constants)

Constants are arguments, not closures: JAX refuses to differentiate a function with a gradient of
its own that closes over values of the trace it is differentiated in. They may be any nest of
tensors, and of anything static that the functions themselves close over.
"""

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def linear_map(forward, transpose, x, *constants):
        @tf.custom_gradient
        def mapped(x):
            def grad(upstream):
                return linear_map(transpose, forward, upstream, *constants)

            return forward(x, *constants), grad

        # A variable read inside would be taken for one more input of the function.
        return mapped(tf.convert_to_tensor(x))

    def bilinear_map(forward, transpose_x, transpose_w, x, w, *constants):
        @tf.custom_gradient
        def mapped(x, w):
            def grad(upstream):
                return transpose_x(upstream, w, *constants), transpose_w(upstream, x, *constants)

            return forward(x, w, *constants), grad

        return mapped(tf.convert_to_tensor(x), tf.convert_to_tensor(w))

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

    def bilinear_map(forward, transpose_x, transpose_w, x, w, *constants):
        class Mapped(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, w):
                ctx.save_for_backward(x, w)
                return forward(x, w, *constants)

            @staticmethod
            def backward(ctx, upstream):
                x, w = ctx.saved_tensors
                need_x, need_w = ctx.needs_input_grad
                return (
                    transpose_x(upstream, w, *constants) if need_x else None,
                    transpose_w(upstream, x, *constants) if need_w else None,
                )

        return Mapped.apply(x, w)
