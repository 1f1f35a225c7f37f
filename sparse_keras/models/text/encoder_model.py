"""TextEncoder: a Transformer that reads a text in both directions, such as BERT."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.data import Tokenizer
from sparse_keras.data.text.raw_texts import as_texts, padded
from sparse_keras.layers import TransformerBlock
from sparse_keras.layers.flops import layer_flops
from sparse_keras.layers.tuned_parts import RemembersTuning
from sparse_keras.layers.validation import (
    boolean,
    non_negative_int,
    number,
    one_of,
    optional_positive_int,
    positive_int,
)
from sparse_keras.models.text.blocks import NORMS, checked_blocks
from sparse_keras.models.text.from_checkpoint import FromCheckpoint
from sparse_keras.models.text.token_inputs import ENCODER_KEYS, unpacked


@keras.saving.register_keras_serializable(package="sparse_keras")
class TextEncoder(FromCheckpoint, RemembersTuning, keras.Model):
    """An encoder of texts: for each token, a vector that depends on all tokens of its text.

        x = embedding(token_ids)    [+ position_embedding(positions)] [+ type_embedding(types)]
        x = norm(x)                 with `embedding_norm`
        x = block(x)                for each block
        x = norm(x)                 with `norm`

    Blocks are dense or sparse, as their feed-forward layers are. Padding is not attended to and
    reaches no expert: a text gets the same vectors with padding as without. The outputs carry the
    mask, so that `keras.layers.GlobalAveragePooling1D` is the mean over the tokens.
    `models.encoder_classifier` makes a classifier of it.

    Args:
        vocabulary_size: V, the number of ids.
        width: D, the width of embeddings and blocks.
        blocks: List of `TransformerBlock`s whose attention is not causal.
        norm: Normalization after the last block: `"rms"`, `"layer"` or `None`, as in BERT, whose
            blocks end with one.
        norm_epsilon: Epsilon of it, and of that of the embeddings.
        embedding_norm: Whether the sum of the embeddings gets a layer normalization, as in BERT.
        context_length: Optional number of tokens of the longest text.
        learned_positions: Whether each position has an embedding that is learned. It needs a
            `context_length`.
        token_types: Optional number of types of tokens, each with an embedding: BERT has 2, one for
            each text of a pair.
        pooler: Whether there is a pooler, `tanh(W x + b)` of the first token (BERT). Only a call
            with `pooled=True` uses it.
        pooler_frozen: Whether training leaves the pooler as it is, since nothing uses it.
        padding_id: Optional id of padding: it is masked.
        dropout: Rate of dropout on the embeddings, in training.
        embeddings_initializer: Initializer of embeddings.
        tokenizer: Optional `data.Tokenizer`, for `tokenize`.
        checkpoint: Optional dict: what the checkpoint that the model was loaded from says beside
            weights and options. It has no effect on outputs; `save_pretrained` writes it again.

    Call arguments:
        inputs: Token ids, int `[B, T]`; or a dict of them under `"token_ids"`, and optionally
            `"mask"`, bool `[B, T]`, False for padding, and `"token_type_ids"`, int `[B, T]`, by
            default 0.
        mask: The mask, for inputs that are no dict.
        pooled: Whether to return the output of the pooler.
        training: Whether the call is part of training.

    Output shape:
        `[B, T, D]`, or `[B, D]` with `pooled=True`.

    Raises:
        ValueError: If blocks are no blocks, are used twice or are causal; if a text is longer than
            the context; if ids are no integers or keys are unknown; if there is no pooler.

    Example:

    >>> encoder = sparse_keras.models.text_encoder(
    ...     vocabulary_size=100, depth=1, width=32, num_heads=4, hidden_dim=64, padding_id=0
    ... )
    >>> encoder(np.array([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]])).shape
    TensorShape([2, 5, 32])

    A vector for each text, the mean over its tokens, of length 1:

    >>> vectors = keras.Sequential(
    ...     [
    ...         keras.Input((None,), dtype="int32"),
    ...         encoder,
    ...         keras.layers.GlobalAveragePooling1D(),
    ...         keras.layers.UnitNormalization(),
    ...     ]
    ... )
    >>> vectors(np.array([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]])).shape
    TensorShape([2, 32])

    Reference:
        [BERT: Pre-training of Deep Bidirectional Transformers](https://arxiv.org/abs/1810.04805);
        [Sentence-BERT](https://arxiv.org/abs/1908.10084) for vectors of texts.
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        blocks: Sequence[TransformerBlock],
        norm: str | None = "rms",
        norm_epsilon: float = 1e-6,
        embedding_norm: bool = False,
        context_length: int | None = None,
        learned_positions: bool = False,
        token_types: int | None = None,
        pooler: bool = False,
        pooler_frozen: bool = False,
        padding_id: int | None = None,
        dropout: float = 0.0,
        embeddings_initializer: Any = "uniform",
        tokenizer: Tokenizer | None = None,
        checkpoint: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer
        self.vocabulary_size = positive_int("vocabulary_size", vocabulary_size)
        self.width = positive_int("width", width)
        blocks = checked_blocks(blocks, causal=False)
        self.norm = None if norm is None else one_of("norm", norm, tuple(NORMS))
        self.norm_epsilon = number("norm_epsilon", norm_epsilon, "(0, inf)")
        self.context_length = optional_positive_int("context_length", context_length)
        self.learned_positions = boolean("learned_positions", learned_positions)
        if self.learned_positions and self.context_length is None:
            raise ValueError(
                "`learned_positions=True` needs `context_length`, the number of positions. "
                "Received: context_length=None."
            )
        self.token_types = optional_positive_int("token_types", token_types)
        self.padding_id = None if padding_id is None else non_negative_int("padding_id", padding_id)
        if self.padding_id is not None and self.padding_id >= self.vocabulary_size:
            raise ValueError(
                f"`padding_id` must be less than `vocabulary_size`, {vocabulary_size}. Received: "
                f"padding_id={padding_id}."
            )
        self.dropout = number("dropout", dropout, "[0, 1]")
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True

        self.token_embedding = self._embedding(self.vocabulary_size, "token_embedding")
        self.position_embedding = self.type_embedding = None
        if self.learned_positions:
            self.position_embedding = self._embedding(self.context_length, "position_embedding")
        if self.token_types is not None:
            self.type_embedding = self._embedding(self.token_types, "type_embedding")
        same = {"dtype": self.dtype_policy}
        self.embedding_norm = None
        if boolean("embedding_norm", embedding_norm):
            self.embedding_norm = keras.layers.LayerNormalization(
                epsilon=self.norm_epsilon, name="embedding_norm", **same
            )
        self.embedding_dropout = keras.layers.Dropout(self.dropout, name="dropout", **same)
        self.blocks = blocks
        self.final_norm = None
        if self.norm is not None:
            self.final_norm = NORMS[self.norm](epsilon=self.norm_epsilon, name="final_norm", **same)
        self.pooler = None
        if boolean("pooler", pooler):
            self.pooler = keras.layers.Dense(self.width, activation="tanh", name="pooler", **same)
        self.pooler_frozen = pooler_frozen

    @property
    def pooler_frozen(self) -> bool:
        return self.pooler is not None and not self.pooler.trainable

    @pooler_frozen.setter
    def pooler_frozen(self, frozen: bool) -> None:
        if self.pooler is not None:
            self.pooler.trainable = not boolean("pooler_frozen", frozen)
        elif frozen:
            raise ValueError("There is no pooler to freeze. Received: pooler_frozen=True.")

    def _embedding(self, number, name):
        return keras.layers.Embedding(
            number,
            self.width,
            embeddings_initializer=self.embeddings_initializer,
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights, whose shapes do not depend on that of the inputs."""
        del input_shape
        for layer in (self.token_embedding, self.position_embedding, self.type_embedding):
            if layer is not None:
                layer.build((None, None))
        shape = (None, None, self.width)
        for layer in (self.embedding_norm, self.embedding_dropout, *self.blocks, self.final_norm):
            if layer is not None and not layer.built:
                layer.build(shape)
        if self.pooler is not None:
            self.pooler.build((None, self.width))
        self.built = True

    def call(
        self, inputs: Any, mask: Any = None, pooled: bool = False, training: bool | None = None
    ) -> Tensor:
        self._check_pooled(pooled)
        tokens = unpacked(inputs, mask, self.padding_id, ENCODER_KEYS)
        self._check_length(tokens.token_ids.shape[1])
        positions = tokens.positions
        x = self.token_embedding(tokens.token_ids)
        if self.position_embedding is not None:
            order = positions
            if order is None:
                order = ops.arange(ops.shape(tokens.token_ids)[1], dtype="int32")[None]
            x = x + self.position_embedding(order)
        if self.type_embedding is not None:
            types = tokens.token_type_ids
            if types is None:
                types = ops.zeros_like(tokens.token_ids)
            x = x + self.type_embedding(types)
        elif tokens.token_type_ids is not None:
            raise ValueError(
                f"{self.name!r} has no types of tokens (`token_types`). Received: 'token_type_ids'."
            )
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        x = self.embedding_dropout(x, training=training)
        for block in self.blocks:
            x = block(
                x,
                positions=positions,
                mask=tokens.mask,
                token_ids=tokens.token_ids,
                training=training,
            )
        if self.final_norm is not None:
            x = self.final_norm(x)
        if pooled:
            return self.pooler(x[:, 0])
        if tokens.mask is not None:
            keras_private.set_mask(x, tokens.mask)
        return x

    def tokenize(self, texts: Any, max_length: int | None = None) -> Any:
        """Returns the token ids of texts, as the model takes them.

        Args:
            texts: A string, or a list, an array or a Series of strings.
            max_length: The most tokens of a text, those at its beginning and its end included; the
                rest of a longer text is left out. `None`: the context length, with a warning if a
                text is longer.

        Returns:
            Int32 `[N, T]`, padded on the right by the `padding_id`. T is the length of the longest
            text.

        Raises:
            ValueError: If the model has no tokenizer or no `padding_id`, a text is no string, or
                `max_length` has no room for a token of a text or is more than the context.
        """
        if self.tokenizer is None:
            raise ValueError(
                f"`tokenize` needs a `tokenizer`, which {self.name!r} does not have. Set its "
                "attribute `tokenizer` to sparse_keras.data.Tokenizer.load('tokenizer.json'). "
                "Where a checkpoint has vocab.txt instead, AutoTokenizer of transformers loads it, "
                "and its `save_pretrained` writes tokenizer.json."
            )
        if self.padding_id is None:
            raise ValueError(
                f"`tokenize` needs a `padding_id`, which {self.name!r} does not have. Set its "
                "attribute `padding_id` to the id of the token that pads."
            )
        before, after = self.tokenizer.begin_ids, self.tokenizer.final_ids
        most = optional_positive_int("max_length", max_length) or self.context_length
        if most is not None:
            if self.context_length is not None and most > self.context_length:
                raise ValueError(
                    f"`max_length` must be at most {self.context_length}, the context of "
                    f"{self.name!r}. Received: max_length={max_length}."
                )
            if most <= len(before) + len(after):
                raise ValueError(
                    f"`max_length` must be more than {len(before) + len(after)}, the number of "
                    f"tokens at the beginning and the end. Received: max_length={max_length}."
                )
            most -= len(before) + len(after)
        encoded = self.tokenizer.encode_batch(as_texts(texts))
        cut = 0 if most is None else sum(len(ids) > most for ids in encoded)
        if cut and max_length is None:
            warnings.warn(
                f"{cut:,} of {len(encoded):,} texts are longer than {most:,} tokens. Only their "
                "beginning is encoded.",
                stacklevel=2,
            )
        rows = [[*before, *ids[:most], *after] for ids in encoded]
        arrays = padded(rows)
        arrays["token_ids"][~arrays["mask"]] = self.padding_id
        return arrays["token_ids"]

    def _check_pooled(self, pooled):
        if pooled and self.pooler is None:
            raise ValueError(f"{self.name!r} has no pooler. Received: pooled={pooled!r}.")

    def _check_length(self, length):
        if None not in (length, self.context_length) and length > self.context_length:
            raise ValueError(
                f"The context of {self.name!r} is {self.context_length} tokens. Received: a text "
                f"of {length} tokens."
            )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns `None`: Keras would give the mask of the tokens to the output of the pooler, too.
        `call` sets it where it belongs."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape["token_ids"] if isinstance(input_shape, dict) else input_shape
        return (*shape, self.width)

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, pooled: bool = False, training: Any = None
    ) -> Any:
        shape = (inputs["token_ids"] if isinstance(inputs, dict) else inputs).shape
        self._check_length(shape[1])
        self._check_pooled(pooled)
        shape = (shape[0], self.width) if pooled else (*shape, self.width)
        return keras.KerasTensor(shape, self.compute_dtype)

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the multiplications and additions of the matmuls for one text `[B, T]`.

        The pooler, a matrix times one vector, is left out. Returns `None` if T is `None`, or if
        those of a feed-forward layer are not known.
        """
        flops = [flops for _, _, flops in self.layer_calls(input_shape[1])]
        return None if None in flops else sum(flops)

    def layer_calls(self, length: int | None) -> list[tuple[keras.layers.Layer, tuple, int | None]]:
        """Returns `(layer, output shapes, FLOPs)` of each layer, for a text of so many tokens."""
        shape = (None, length, self.width)
        embeddings = (self.token_embedding, self.position_embedding, self.type_embedding)
        calls = [(layer, (shape,), 0) for layer in embeddings if layer is not None]
        for layer in (self.embedding_norm, self.embedding_dropout, *self.blocks, self.final_norm):
            if layer is not None:
                calls.append((layer, (shape,), layer_flops(layer, shape)))
        if self.pooler is not None:
            calls.append((self.pooler, ((None, self.width),), 0))
        return calls

    def get_config(self) -> dict[str, Any]:
        names = (
            *("vocabulary_size", "width", "norm", "norm_epsilon", "context_length"),
            *("learned_positions", "token_types", "padding_id", "dropout", "checkpoint"),
            "pooler_frozen",
        )
        tokenizer = self.tokenizer
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **{name: getattr(self, name) for name in names},
            "embedding_norm": self.embedding_norm is not None,
            "pooler": self.pooler is not None,
            "blocks": [keras.saving.serialize_keras_object(block) for block in self.blocks],
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "tokenizer": tokenizer and keras.saving.serialize_keras_object(tokenizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "TextEncoder":
        config = dict(config)
        config["blocks"] = [
            keras.saving.deserialize_keras_object(block, custom_objects=custom_objects)
            for block in config["blocks"]
        ]
        if config["tokenizer"] is not None:
            config["tokenizer"] = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**config)
