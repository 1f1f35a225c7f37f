"""Template: a Keras layer that says what an expert is, called with the weights of one expert."""

import inspect
import re

import keras

from sparse_keras._internal import keras_private
from sparse_keras._internal.seeds import derived_seed

SELF_ATTENTION = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
# Layers of whole examples whose `input_spec` does not say so. (A token is flat already, so that
# Flatten on tokens would do nothing.)
_OF_EXAMPLES = (
    *SELF_ATTENTION,
    keras.layers.RNN,
    keras.layers.Bidirectional,
    keras.layers.TimeDistributed,
    keras.layers.Flatten,
)
_SOME = 7  # rows, to see whether a template returns as many


class Template:
    """A copy of a layer that is built, but whose own weights are never used.

    It is no Keras layer, so that the bank that holds it does not count these weights as its own.

    Args:
        layer: A layer as its user made it.
        input_shape: Shape of what one expert gets, its first axis None.

    Raises:
        ValueError: If the layer cannot be an expert: it cannot be copied or called on such inputs;
            has state besides its weights, metrics, or losses of its outputs; or several inputs or
            outputs.
    """

    def __init__(self, layer, input_shape):
        self.layer = copy_of(layer)
        self.dtype = self._spec(input_shape).dtype
        _check_state(self.layer)
        self.weights = self.layer.weights
        self.names = _names(self.layer, self.weights)
        self.random_states = [
            generator.state
            for part in keras_private.all_layers(self.layer)
            for generator in keras_private.own_seed_generators(part)
        ]

    def check_use(self, input_shape, by_token):
        """Raises a ValueError if the template is of no use to experts.

        Args:
            input_shape: Shape of what one expert gets, its first axis None.
            by_token: Whether its rows are tokens.
        """
        name = told_of(self.layer)
        if not self.weights:
            raise ValueError(
                f"The template {name} has no weights: all experts would be the same. Use it before "
                "or after the mixture, or in a Sequential with layers that have some."
            )
        shape = tuple(self._spec(input_shape).shape)
        if by_token and len(shape) != 2:
            hint = (
                "An Embedding reads ids, and a router needs vectors: use it before the mixture."
                if isinstance(self.layer, keras.layers.Embedding)
                else "Let a Sequential with a Flatten at its end be the template, or pass "
                "LayerExperts(..., route_by='example')."
            )
            raise ValueError(
                f"An expert turns tokens [M, D] into rows [M, width]. The template {name} turns "
                f"{input_shape} into {shape}. {hint}"
            )
        # Whether it keeps to the rows that it gets shows where their number is known.
        rows = self._spec((_SOME, *input_shape[1:])).shape[0]
        if rows != _SOME:
            raise ValueError(
                f"An expert returns one row for each row that it gets. The template {name} turns "
                f"{_SOME} rows into {rows}."
            )

    def _spec(self, input_shape):
        """The KerasTensor that it makes of such inputs. Builds it, if it is not built yet."""
        name = told_of(self.layer)
        attends = isinstance(self.layer, SELF_ATTENTION)
        try:
            if attends and len(input_shape) < 3:
                raise ValueError(f"expected ndim=3, found ndim={len(input_shape)}")
            # Built as Keras builds a layer in a model: custom ones need not have a `build`.
            outputs = self._apply(keras.KerasTensor(input_shape))
        except Exception as error:  # Whatever a layer raises.
            shape = tuple(input_shape)
            if len(shape) == 2 and needs_examples(self.layer):
                raise ValueError(
                    f"The template {name} needs whole examples, such as [B, T, D]. Received inputs "
                    f"of shape {shape}: {reason(error)}"
                ) from error
            raise ValueError(
                f"The template {name} cannot be called on one input of shape {shape}: "
                f"{reason(error)}"
            ) from error
        specs = keras.tree.flatten(outputs)
        if len(specs) != 1 or not hasattr(specs[0], "shape"):
            what = "nothing" if specs == [None] else len(specs)
            raise ValueError(f"An expert has one output. The template {name} returns {what}.")
        batch, *rest = specs[0].shape
        if not rest or (input_shape[0] is None and batch is not None):
            raise ValueError(
                f"An expert returns one row for each row that it gets. The template {name} turns "
                f"{tuple(input_shape)} into {tuple(specs[0].shape)}."
            )
        return specs[0]

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
    try:
        # Not `deserialize_keras_object`: a class that is defined in a function has no path.
        return type(layer).from_config(layer.get_config() if config is None else config)
    except Exception as error:  # Whatever a layer raises.
        for part in keras_private.all_layers(layer):
            if isinstance(part, keras.layers.Lambda):
                raise ValueError(
                    f"The template's layer {told_of(part)} cannot be copied for each expert: it "
                    "holds Python code, which Keras does not load from a config. Write a layer "
                    "with a `call` in its place, or use keras.layers.Activation."
                ) from error
        raise ValueError(
            f"The template {told_of(layer)} cannot be made anew from its config, as it is for each "
            f"expert: {reason(error)} Write its `get_config`, and let its `__init__` hand **kwargs "
            "to that of its base class."
        ) from error


def told_of(layer):
    """What to call a layer in a sentence."""
    return f"{layer.name!r} ({type(layer).__name__})"


def reason(error):
    """What a layer's error says, in a line: without where Keras was, and with what."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    for before in ("Exception encountered when calling ", "Arguments received by "):
        head, found, rest = text.partition(before)
        if found:
            text = rest.partition("\n")[2] if not head.strip() else head
    for before in ("Error encountered:", "Exception encountered:"):
        text = text.rpartition(before)[2]
    line = text.strip().partition("\n")[0].strip() or type(error).__name__
    return line if line.endswith((".", "!", "?")) else f"{line}."


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
            key: derived_seed(value, path, expert) % 2**31  # int32 on PyTorch
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
    # What has no weights may be built when it is made.
    if layer.built and layer.weights and not isinstance(layer, keras.Model):
        raise ValueError(
            f"The template {layer.name!r} is built already; every expert starts from weights of "
            "its own. Pass a new layer."
        )
    inputs = getattr(layer, "inputs", None) or ()
    if len(inputs) > 1:
        raise ValueError(f"An expert has one input. The template {layer.name!r} has {len(inputs)}.")
    for part in keras_private.all_layers(layer):
        name = told_of(part)
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
    for part in keras_private.all_layers(layer):
        name = told_of(part)
        if state := keras_private.own_state(part):
            weights = ", ".join(weight.name for weight in state)
            raise ValueError(
                f"The template's layer {name} keeps a state from call to call ({weights}). An "
                "expert gets the few rows that the router sends it, in parts and with others to "
                f"fill up, so that such a state would be of no batch there is.{_instead_of(part)}"
            )
        if keras_private.own_metrics(part):
            raise ValueError(
                f"The template's layer {name} has metrics. An expert cannot: put them into the "
                "layer around the experts."
            )


def _instead_of(layer):
    """What to use in place of a layer that keeps a state, as a sentence after another."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return " Use LayerNormalization or GroupNormalization in its place."
    if isinstance(layer, keras.layers.Normalization):
        return " Normalise the inputs before the mixture."
    return ""


def needs_examples(layer):
    """Whether a layer needs whole examples, as convolutions and attention do."""
    if isinstance(layer, _OF_EXAMPLES):
        return True
    if isinstance(layer, keras.layers.EinsumDense):
        inputs = layer.equation.partition(",")[0]
        return "..." not in inputs and len(inputs.strip()) > 2
    if isinstance(layer, keras.Model):
        if getattr(layer, "inputs", None):  # A Functional model, or one whose input is known.
            return len(layer.inputs[0].shape) > 2
        return bool(layer.layers) and needs_examples(layer.layers[0])
    specs = [spec for spec in keras.tree.flatten(layer.input_spec) if spec is not None]
    return any(max(spec.ndim or 0, spec.min_ndim or 0) > 2 for spec in specs)


def _names(layer, weights):
    """Names that say what each weight is for, and do not depend on how many layers there were."""
    owners = {
        id(weight): part
        for part in keras_private.all_layers(layer)
        for weight in keras_private.own_weights(part)
    }
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
