"""inspect: runs a model on examples, and measures what its routers decide."""

from typing import Any

import keras

from sparse_keras.inspection.gate_inspection import inspect_gate
from sparse_keras.inspection.inspect_tokens import MAX_TOKENS, inspect_tokens
from sparse_keras.inspection.labels import Vocabulary, plain
from sparse_keras.inspection.recorder import Recorder
from sparse_keras.inspection.result import Inspection
from sparse_keras.inspection.text.token_rows import tokenizer_of
from sparse_keras.layers.mixtures.gated_layer import SPARSIFY_FIRST, gated_layers
from sparse_keras.layers.mixtures.routing_hooks import hooked
from sparse_keras.models.batches import batches_of, num_rows


def inspect(
    model: keras.Model,
    x: Any,
    labels: Any = None,
    *,
    batch_size: int = 256,
    data: str = "examples",
    label: str = "label",
    max_tokens: int | None = None,
) -> Inspection:
    """Runs a model on examples and measures how its routers distribute them over experts.

    The model runs eagerly and in inference mode, batch by batch; its compiled functions are not
    touched. Padding is ignored. Only sums are stored, so the number of examples is not limited.

    A model that `train` or `load_model` returned for texts, such as a language model, is inspected
    token by token: the result says which tokens each expert gets more often than by chance, and has
    the experts of each token, `Inspection.tokens`. So the number of tokens is limited. They are
    rows that are spread evenly over `x`.

    Args:
        model: A Keras model with at least one mixture of experts, at any depth; or what
            `load_model` returns.
        x: Examples: what `model.predict` takes (arrays, a dict of arrays, or raw data for a model
            with preprocessing), or a dataset: `tf.data.Dataset`, `keras.utils.PyDataset`, or an
            iterable of batches `inputs` or `(inputs, targets)`.
        labels: Classes in which experts may specialise, strings or whole numbers: an array `[B]`
            with a label for each example; or one with as many axes as the tokens have, such as
            `[B, T]`, with a label for each token (`labels=x` for models that read token numbers).
            `None` and NaN mean "no label". For a dataset, `"targets"` uses the targets it yields.
            For the `TokenBatches` of a corpus of several sources, the sources by default.
        batch_size: Examples per batch, if `x` does not come in batches.
        data: What to call the examples in tables and pages.
        label: What to call the labels.
        max_tokens: For models of texts: the most tokens to read, 50,000 by default. At least one
            row is read, or of a dataset one batch.

    Returns:
        An `Inspection`.

    Raises:
        ValueError: If the model has no mixture of experts, or runs one inside a compiled function;
            if there are no examples, or the number of labels fits neither examples nor tokens; or
            if a router's scores are NaN or infinite, for instance because the inputs are. Padding
            may hold any value.

    Example:

    >>> inputs = keras.Input((3,))
    >>> layer = sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(1), num_experts=4, k=1)
    >>> model = keras.Model(inputs, layer(inputs))
    >>> x = np.random.default_rng(0).normal(size=(500, 3)).astype("float32")
    >>> inspection = sparse_keras.inspect(model, x, labels=np.where(x[:, 0] > 0, "right", "left"))
    >>> inspection[0].load.shape, inspection[0].labels
    ((4,), ['left', 'right'])
    >>> _ = inspection.to_html("inspection.html")  # doctest: +SKIP
    """
    layers = gated_layers(model)
    if not layers:
        raise ValueError(
            f"The model {model.name!r} has no mixture of experts to look at. {SPARSIFY_FIRST}"
        )
    if tokenizer_of(model) is not None:
        most = MAX_TOKENS if max_tokens is None else max_tokens
        return inspect_tokens(model, layers, x, labels, batch_size, data, label, most)
    if max_tokens is not None:
        raise ValueError(
            f"`max_tokens` is for models of texts. Received: max_tokens={max_tokens!r}, and "
            f"{model.name!r}, which has no tokenizer."
        )
    if isinstance(x, str):
        raise ValueError(f"`x` must be a list of examples. Received one string: {x[:50]!r}.")
    use_targets = isinstance(labels, str) and labels == "targets"
    if isinstance(labels, str) and not use_targets:
        raise ValueError(
            f"`labels` must be an array, or 'targets' of a dataset. Received: {labels!r}."
        )
    label_array = None if labels is None or use_targets else plain(labels)
    vocabulary = Vocabulary()
    recorder = Recorder(model, layers)
    examples = 0
    with hooked(recorder):
        for inputs, targets in batches_of(model, x, batch_size):
            rows = num_rows(inputs)
            if not rows:
                continue
            codes = None
            if label_array is not None:
                codes = vocabulary.encode(_rows_of(label_array, examples, rows))
            elif use_targets:
                codes = vocabulary.encode(_rows_of(_labels_of(targets), 0, rows))
            recorder.start_batch(rows, codes, examples)
            model(inputs, training=False)
            examples += rows
    if not examples:
        raise ValueError("Expected at least one example. Received none.")
    if label_array is not None and len(label_array) != examples:
        raise ValueError(
            f"Expected a label for each of {examples} examples. Received: `labels` of shape "
            f"{label_array.shape}."
        )
    gates = recorder.gates()
    if not gates:
        raise ValueError(f"The model {model.name!r} called none of its mixtures of experts.")
    recorder.check_finite(examples)
    return Inspection(
        model.name,
        data,
        examples,
        None if labels is None else label,
        [inspect_gate(key, vocabulary, len(gates), recorder, data) for key in gates],
    )


def _rows_of(labels, start, rows):
    if not labels.ndim or len(labels) < start + rows:
        raise ValueError(
            f"Expected a label for each example, and there are at least {start + rows} examples. "
            f"Received: `labels` of shape {labels.shape}."
        )
    return labels[start : start + rows]


def _labels_of(targets):
    if targets is None or isinstance(targets, (dict, list, tuple)):
        raise ValueError(
            "labels='targets' needs a dataset that yields pairs (inputs, targets) with one array "
            f"of targets. Received: targets of type {type(targets).__name__}."
        )
    return plain(targets)
