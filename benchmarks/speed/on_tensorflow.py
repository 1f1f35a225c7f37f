"""Steps on TensorFlow: one graph each, with or without XLA."""

import tensorflow as tf

tensor = tf.convert_to_tensor


def device():
    """The name of the GPU, or None."""
    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0]).get("device_name") if found else None


def wait(_):
    """A graph returns when the CPU has computed it, but not when a GPU has."""
    if tf.config.list_physical_devices("GPU"):
        tf.test.experimental.sync_devices()


def device_peak():
    """The most bytes that were in use on the GPU, or None."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def inference(layer, xla):
    return tf.function(lambda x: layer(x, training=False), jit_compile=xla)


def gradient(layer, xla):
    @tf.function(jit_compile=xla)
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.cast(y, "float32") * upstream) + sum(layer.losses)
        return tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])

    return step


def adam_update(shapes):
    """One fused Adam update of float32 variables of these shapes."""
    names = ("var", "m", "v")
    slots = [{name: tf.Variable(tf.zeros(shape)) for name in names} for shape in shapes]
    grads = [tf.fill(shape, 1e-3) for shape in shapes]

    @tf.function
    def step():
        for variables, grad in zip(slots, grads, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                **{name: variable.handle for name, variable in variables.items()},
                beta1_power=0.9,
                beta2_power=0.999,
                lr=0.001,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-7,
                grad=grad,
            )

    return step
