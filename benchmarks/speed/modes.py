"""What one repetition does, in each mode.

`prepare(repetition, steps)` is not timed. `run(steps)` returns the seconds of one step.
"""

import importlib
import time

import keras

from benchmarks.speed import data


class Inference:
    """The forward pass outside training; the whole output comes back."""

    def __init__(self, layer, case, subject):
        self.on = importlib.import_module(f"benchmarks.speed.on_{subject.backend}")
        self.case = case
        self.make = lambda: self.on.inference(layer, subject.xla)
        self.others = ()
        self.step = None

    def prepare(self, repetition, steps):
        count = min(steps, data.num_inputs(self.case))
        self.inputs = [self.on.tensor(x) for x in data.inputs(self.case, repetition, count)]

    def run(self, steps):
        if self.step is None:
            self.step = self.make()
        start = time.perf_counter()
        for number in range(steps):
            self.on.wait(self.step(self.inputs[number % len(self.inputs)], *self.others))
        return (time.perf_counter() - start) / steps


class Gradient(Inference):
    """Forward in training, auxiliary losses, gradients of all weights and of the input."""

    def __init__(self, layer, case, subject):
        super().__init__(layer, case, subject)
        self.make = lambda: self.on.gradient(layer, subject.xla)
        self.others = (self.on.tensor(data.upstream(case)),)


class Fit:
    """`model.fit` on arrays in memory.

    The clock runs from the end of the first step to the end of the last: what a call of `fit` costs
    before and after, the same for every model, is not part of a step.
    """

    def __init__(self, layer, case, subject):
        x = keras.Input((case.width,))
        y = layer(x)
        if case.head:
            y = keras.layers.Dense(1)(y)
        self.model = keras.Model(x, y)
        self.model.compile(
            self.optimizer(), "mse", jit_compile=subject.xla or subject.backend == "jax"
        )
        self.arrays = data.fit_arrays(case)
        self.tokens = case.tokens

    def optimizer(self):
        return keras.optimizers.Adam()

    def prepare(self, repetition, steps):
        pass

    def run(self, steps):
        x, y = (array[: (steps + 1) * self.tokens] for array in self.arrays)
        clock = Clock(steps)
        self.model.fit(x, y, batch_size=self.tokens, verbose=0, callbacks=[clock])
        return (clock.end - clock.start) / steps


class Clock(keras.callbacks.Callback):
    """Notes when the first step of an epoch has ended, and the last."""

    def __init__(self, last):
        super().__init__()
        self.last = last

    def on_train_batch_end(self, batch, logs=None):
        if batch in (0, self.last):
            float(logs["loss"])  # Waits for it.
            now = time.perf_counter()
            if batch == 0:
                self.start = now
            self.end = now


class FitFused(Fit):
    """The same with our optimizer."""

    def optimizer(self):
        from sparse_keras import optimizers

        return optimizers.FusedOptimizer(keras.optimizers.Adam())


class Update:
    """The fused Adam update of the bank's weights alone."""

    def __init__(self, layer, case, subject):
        from benchmarks.speed import on_tensorflow

        self.on = on_tensorflow
        self.shapes = [tuple(v.shape) for v in layer.experts.trainable_variables]
        self.step = None

    def prepare(self, repetition, steps):
        pass

    def run(self, steps):
        if self.step is None:
            self.step = self.on.adam_update(self.shapes)
        start = time.perf_counter()
        for _ in range(steps):
            self.on.wait(self.step())
        return (time.perf_counter() - start) / steps


MODES = {
    "inference": Inference,
    "gradient": Gradient,
    "fit": Fit,
    "fit_fused": FitFused,
    "update": Update,
    "first": Gradient,
}
