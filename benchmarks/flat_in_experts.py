"""Does the cost grow with the experts owned, or with the experts used?

Times the forward pass of `MixtureOfExperts` for a growing number of experts at a fixed K, all in
one run and interleaved, so that a busy machine disturbs all alike.

    python benchmarks/flat_in_experts.py
"""

import argparse
import statistics
import time

import keras
import numpy as np

from sparse_keras.layers import MixtureOfExperts, MLPExperts

TOKENS, WIDTH, HIDDEN, K = 2048, 256, 256, 2


def compiled_forward(num_experts):
    """The forward pass as `predict` runs it: one graph, no Python in between."""
    layer = MixtureOfExperts(MLPExperts(num_experts, HIDDEN), k=K)
    layer.build((None, WIDTH))
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        graph = tf.function(lambda x: layer(x, training=False))
        return graph.get_concrete_function(tf.TensorSpec((TOKENS, WIDTH), tf.float32))
    if backend == "jax":
        import jax

        trainable = [v.value for v in layer.trainable_variables]
        other = [v.value for v in layer.non_trainable_variables]
        forward = jax.jit(lambda x: layer.stateless_call(trainable, other, x, training=False)[0])
        return lambda x: forward(x).block_until_ready()
    return lambda x: layer(x, training=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experts", type=int, nargs="+", default=[4, 8, 16, 32, 64])
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()

    x = np.random.default_rng(0).normal(size=(TOKENS, WIDTH)).astype("float32")
    x = keras.ops.convert_to_tensor(x)
    forwards = {num_experts: compiled_forward(num_experts) for num_experts in args.experts}
    for forward in forwards.values():
        forward(x)
    times = {num_experts: [] for num_experts in forwards}
    for _ in range(args.repeats):
        for num_experts, forward in forwards.items():
            start = time.perf_counter()
            forward(x)
            times[num_experts].append(time.perf_counter() - start)

    medians = {num_experts: statistics.median(found) for num_experts, found in times.items()}
    first = medians[args.experts[0]]
    print(f"forward pass, N={TOKENS}, D={WIDTH}, H={HIDDEN}, K={K}, {keras.backend.backend()}")
    print(f"{'E':>5}{'ms':>10}{'ratio':>10}")
    for num_experts, median in medians.items():
        print(f"{num_experts:>5}{1000 * median:>10.2f}{median / first:>10.2f}")


if __name__ == "__main__":
    main()
