"""Does the cost grow with the experts owned, or with the experts used?

Times the forward pass of `MixtureOfExperts` for a growing number of experts, of which a token uses
K, all in one run and interleaved, so that a busy machine disturbs all alike. A router that may open
any number of experts opens K on average.

    python benchmarks/flat_in_experts.py
    python benchmarks/flat_in_experts.py --routers top_k relu threshold expert_choice
    python benchmarks/flat_in_experts.py --routers top_k relu --gradient    # TensorFlow only
"""

import argparse
import statistics
import time

import keras
import numpy as np

from sparse_keras.layers import (
    ExpertChoiceRouter,
    MixtureOfExperts,
    MLPExperts,
    ReLURouter,
    ThresholdRouter,
    TopKRouter,
)

TOKENS, WIDTH, HIDDEN, K = 2048, 256, 256, 2


ROUTERS = {
    "top_k": lambda: TopKRouter(k=K),
    "expert_choice": lambda: ExpertChoiceRouter(capacity_factor=K),
    "relu": lambda: ReLURouter(k=K),
    "threshold": lambda: ThresholdRouter(threshold=0.9),
}


def make(router, num_experts, x):
    layer = MixtureOfExperts(MLPExperts(num_experts, HIDDEN), router=ROUTERS[router]())
    layer.build((None, WIDTH))
    bias = layer.router.bias
    if bias is not None:  # A gate opens by itself: find the bias at which K do, on average.
        low, high = -20.0, 20.0
        for _ in range(30):
            middle = (low + high) / 2
            bias.assign(np.full(num_experts, middle, "float32"))
            is_open = keras.ops.convert_to_numpy(layer.router(x)["is_open"])
            low, high = (middle, high) if is_open.sum() < K * TOKENS else (low, middle)
    return layer


def compiled(layer, gradient):
    """The forward pass as `predict` runs it: one graph, no Python in between. Or the gradient."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def forward(x):
            return layer(x, training=False)

        def backward(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
                loss = tf.reduce_sum(y * y) + tf.add_n(layer.losses or [0.0])
            return tape.gradient(loss, [x, *layer.trainable_weights])

        graph = tf.function(backward if gradient else forward)
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
    parser.add_argument("--routers", nargs="+", default=["top_k"], choices=ROUTERS)
    parser.add_argument("--gradient", action="store_true", help="times the gradient of a step")
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()
    if args.gradient and keras.backend.backend() != "tensorflow":
        parser.error("--gradient needs KERAS_BACKEND=tensorflow")

    x = np.random.default_rng(0).normal(size=(TOKENS, WIDTH)).astype("float32")
    x = keras.ops.convert_to_tensor(x)
    cases = [(router, experts) for router in args.routers for experts in args.experts]
    functions = {case: compiled(make(*case, x), args.gradient) for case in cases}
    for function in functions.values():
        function(x)
    times = {case: [] for case in cases}
    for _ in range(args.repeats):
        for case, function in functions.items():
            start = time.perf_counter()
            function(x)
            times[case].append(time.perf_counter() - start)

    medians = {case: statistics.median(found) for case, found in times.items()}
    what = "gradient" if args.gradient else "forward pass"
    print(f"{what}, N={TOKENS}, D={WIDTH}, H={HIDDEN}, K={K}, {keras.backend.backend()}")
    print(f"{'router':>15}{'E':>5}{'ms':>10}{'ratio':>10}")
    for case, median in medians.items():
        router, experts = case
        ratio = median / medians[cases[0]]
        print(f"{router:>15}{experts:>5}{1000 * median:>10.2f}{ratio:>10.2f}")


if __name__ == "__main__":
    main()
