"""Template: a Keras layer that says what an expert is, called with the weights of one expert."""

import inspect
import re
import zlib

import keras

SELF_ATTENTION = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)


class Template:
    """A copy of a layer that is built, but whose own weights are never used.

    It is no Keras layer, so that the bank that holds it does not count these weights as its own.

    Args:
        layer: A layer as its user made it.
        input_shape: Shape of what one expert gets, its first axis None.

    Raises:
        ValueError: If the layer cannot be an expert: it has state besides its weights, metrics, or
            losses of its outputs; or several inputs or outputs.
    """

    def __init__(self, layer, input_shape):
        self.layer = copy_of(layer)
        # Built as Keras builds a layer in a model: custom ones need not have a `build`.
        specs = keras.tree.flatten(self._apply(keras.KerasTensor(input_shape)))
        if len(specs) != 1:
            raise ValueError(
                f"An expert has one output. The template {layer.name!r} returns {len(specs)}."
            )
        if specs[0].shape[0] is not None or len(specs[0].shape) < 2:
            raise ValueError(
                "An expert returns one row for each row that it gets. The template "
                f"{layer.name!r} turns {tuple(input_shape)} into {tuple(specs[0].shape)}."
            )
        self.dtype = specs[0].dtype
        _check_state(self.layer)
        self.weights = self.layer.weights
        self.names = _names(self.layer, self.weights)
        self.random_states = [
            generator.state
            for part in self.layer._flatten_layers()
            for generator in part._seed_generators
        ]

    def call(self, inputs, weights, random_states, mask=None, training=None):
        """What the expert with these weights makes of `inputs` `[m, ...]`."""
        mapping = [
            *zip(self.weights, weights, strict=True),
            *zip(self.random_states, random_states, strict=True),
        ]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            outputs = self._apply(inputs, mask, training)
        if scope.losses:
            raise ValueError(
                f"The template {self.layer.name!r} adds a loss when it is called, which would "
                "count rows that are there to fill up. Let the layer around the experts add it."
            )
        return outputs

    def _apply(self, inputs, mask=None, training=None):
        arguments = {} if training is None else {"training": training}
        if isinstance(self.layer, SELF_ATTENTION):
            if mask is not None:
                arguments |= {"query_mask": mask, "value_mask": mask}
            return self.layer(inputs, inputs, **arguments)
        if mask is not None and self.takes_mask:
            arguments["mask"] = mask
        return self.layer(inputs, **arguments)

    @property
    def takes_mask(self):
        """Whether it looks at a mask of its input."""
        takes = "mask" in inspect.signature(self.layer.call).parameters
        return takes or isinstance(self.layer, SELF_ATTENTION)

    def output_shape(self, input_shape):
        inputs = keras.KerasTensor(input_shape)
        both = (inputs, inputs) if isinstance(self.layer, SELF_ATTENTION) else (inputs,)
        return tuple(self.layer.compute_output_spec(*both).shape)


def copy_of(layer, config=None):
    """A new layer, not built, made like `layer`."""
    # Not `deserialize_keras_object`: a class that is defined in a function has no path.
    return type(layer).from_config(layer.get_config() if config is None else config)


def draw_weights(layer, input_shape, expert):
    """The initial weights of one expert: those of a new layer, drawn from seeds of its own."""
    config = _with_own_seeds(layer.get_config(), expert)
    template = Template(copy_of(layer, config), input_shape)
    return [keras.ops.convert_to_numpy(weight) for weight in template.weights]


def _with_own_seeds(config, expert, path=""):
    """A config whose integer seeds are other ones for each expert and each place.

    A seed that is None is drawn anew with each layer.
    """
    if isinstance(config, dict):
        return {
            key: zlib.crc32(f"{value}/{path}/{expert}".encode()) % 2**31  # int32 on PyTorch
            if key == "seed" and isinstance(value, int)
            else _with_own_seeds(value, expert, f"{path}/{key}")
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        items = (_with_own_seeds(v, expert, f"{path}/{n}") for n, v in enumerate(config))
        return type(config)(items)
    return config


def check_template(layer):
    """Raises a ValueError unless a layer, as its user made it, may be a template."""
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"A template must be a Keras layer. Received: {layer!r}.")
    if layer.built and not isinstance(layer, keras.Model):
        raise ValueError(
            f"The template {layer.name!r} is built already; every expert starts from weights of "
            "its own. Pass a new layer."
        )
    inputs = getattr(layer, "inputs", None) or ()
    if len(inputs) > 1:
        raise ValueError(f"An expert has one input. The template {layer.name!r} has {len(inputs)}.")
    for part in layer._flatten_layers():
        name = f"{part.name!r}, a {type(part).__name__},"
        if getattr(part, "activity_regularizer", None) is not None:
            raise ValueError(
                f"The template's layer {name} has an `activity_regularizer`, which would count "
                "rows that are there to fill up. Regularize the output of the layer around the "
                "experts instead."
            )
        if getattr(part, "lora_rank", None) or part.dtype_policy.quantization_mode is not None:
            raise ValueError(
                f"The template's layer {name} is quantized or has a `lora_rank`. Experts made from "
                "a template have neither."
            )
        if getattr(part, "stateful", False):
            raise ValueError(
                f"The template's layer {name} has stateful=True: it goes on from the batch before. "
                "An expert gets other examples in each batch."
            )
        if getattr(part, "data_format", None) == "channels_first":
            raise ValueError(
                f"The template's layer {name} has its channels first. A mixture routes by the last "
                "axis: use data_format='channels_last'."
            )


def _check_state(layer):
    for part in layer._flatten_layers():
        name = f"{part.name!r}, a {type(part).__name__},"
        if part._non_trainable_variables:
            weights = ", ".join(weight.name for weight in part._non_trainable_variables)
            raise ValueError(
                f"The template's layer {name} keeps a state from call to call ({weights}). An "
                "expert gets the few rows that the router sends it, in parts and with others to "
                "fill up, so that such a state would be of no batch there is. In place of "
                "BatchNormalization use LayerNormalization or GroupNormalization; normalise inputs "
                "before the mixture."
            )
        if part._metrics:
            raise ValueError(
                f"The template's layer {name} has metrics. An expert cannot: put them into the "
                "layer around the experts."
            )


def needs_examples(layer):
    """Whether a layer needs whole examples, as convolutions and attention do."""
    if isinstance(layer, (*SELF_ATTENTION, keras.layers.RNN, keras.layers.Bidirectional)):
        return True
    if isinstance(layer, keras.Model):
        if getattr(layer, "inputs", None):  # A Functional model, or one whose input is known.
            return len(layer.inputs[0].shape) > 2
        return bool(layer.layers) and needs_examples(layer.layers[0])
    specs = [spec for spec in keras.tree.flatten(layer.input_spec) if spec is not None]
    return any(max(spec.ndim or 0, spec.min_ndim or 0) > 2 for spec in specs)


def _own_weights(layer):
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _names(layer, weights):
    """Names that say what each weight is for, and do not depend on how many layers there were."""
    owners = {id(weight): part for part in layer._flatten_layers() for weight in _own_weights(part)}
    numbers, names = {}, []
    for weight in weights:
        owner = owners.get(id(weight), layer)
        # Keras numbers unnamed layers over the whole process; here, within the template.
        plain = "" if owner is layer else re.sub(r"_\d+$", "", owner.name) + "_"
        same = numbers.setdefault(plain, [])
        if owner not in same:
            same.append(owner)
        number = same.index(owner) + 1
        names.append(f"expert_{plain}" + (f"{number}_" if number > 1 else "") + weight.name)
    return names
