"""CausalLM: a decoder that predicts the next token."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
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
from sparse_keras.models.text.generation import Generation, generate
from sparse_keras.models.text.token_inputs import unpacked


@keras.saving.register_keras_serializable(package="sparse_keras")
class CausalLM(FromCheckpoint, RemembersTuning, keras.Model):
    """A language model: for each token of a text, the logits of the next one.

        x = embedding_multiplier * embedding(token_ids)    [+ position_embedding(positions)]
        x = block(x)                                       for each block
        logits = norm(x) @ W_head / logits_scaling

    Blocks are dense or sparse, as their feed-forward layers are. Train it with
    `keras.losses.SparseCategoricalCrossentropy(from_logits=True)` on the ids of the next tokens.
    Padding does not count in the loss; `ignore_class=-100` leaves out the labels that are -100.

    Args:
        vocabulary_size: V, the number of ids.
        width: D, the width of embeddings and blocks.
        blocks: List of `TransformerBlock`s, causal ones.
        norm: Normalization after the last block: `"rms"`, `"layer"` or `None`.
        norm_epsilon: Its epsilon.
        tie_embeddings: Whether the head is the transposed matrix of the embeddings, instead of a
            matrix of its own.
        embedding_multiplier: Factor of the embeddings of tokens (Granite, Gemma).
        logits_scaling: By which logits are divided (Granite).
        context_length: Optional number of tokens of the longest text.
        learned_positions: Whether each position has an embedding that is learned (GPT-2). It needs
            a `context_length`.
        padding_id: Optional id of padding: it is masked.
        dropout: Rate of dropout on the embeddings, in training.
        embeddings_initializer: Initializer of embeddings, and of the head.
        checkpoint: Optional dict: what the checkpoint that the model was loaded from says beside
            weights and options. It has no effect on outputs; `save_pretrained` writes it again.

    Call arguments:
        inputs: Token ids, int `[B, T]`; or a dict of them under `"token_ids"`, and optionally
            `"segment_ids"`, int `[B, T]`: the number of the document of each token, if several are
            packed in one row, which do not see each other and each start at position 0; and
            `"mask"`, bool `[B, T]`, False for padding.
        mask: The mask, for inputs that are no dict.
        training: Whether the call is part of training.

    Output shape:
        Logits, float32 `[B, T, V]`. They carry the mask, with which Keras weights loss and metrics.

    Raises:
        ValueError: If blocks are no blocks, are used twice or look at later tokens; if a text is
            longer than the context; if ids are no integers or keys are unknown.

    Example:

    >>> model = sparse_keras.models.CausalLM(
    ...     vocabulary_size=100,
    ...     width=32,
    ...     blocks=[
    ...         sparse_keras.layers.TransformerBlock(
    ...             sparse_keras.layers.GroupedQueryAttention(
    ...                 num_heads=4, rotary=sparse_keras.layers.RotaryEmbedding()
    ...             ),
    ...             sparse_keras.layers.FeedForward(64),
    ...         )
    ...     ],
    ... )
    >>> model(np.array([[3, 1, 4, 1, 5]])).shape
    TensorShape([1, 5, 100])

    Reference:
        [Language Models are Unsupervised Multitask
        Learners](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf);
        [Using the Output Embedding](https://arxiv.org/abs/1608.05859) for `tie_embeddings`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        blocks: Sequence[TransformerBlock],
        norm: str | None = "rms",
        norm_epsilon: float = 1e-6,
        tie_embeddings: bool = True,
        embedding_multiplier: float = 1.0,
        logits_scaling: float = 1.0,
        context_length: int | None = None,
        learned_positions: bool = False,
        padding_id: int | None = None,
        dropout: float = 0.0,
        embeddings_initializer: Any = "uniform",
        checkpoint: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.checkpoint = checkpoint
        self.vocabulary_size = positive_int("vocabulary_size", vocabulary_size)
        self.width = positive_int("width", width)
        blocks = checked_blocks(blocks, causal=True)
        self.norm = None if norm is None else one_of("norm", norm, tuple(NORMS))
        self.norm_epsilon = number("norm_epsilon", norm_epsilon, "(0, inf)")
        self.tie_embeddings = boolean("tie_embeddings", tie_embeddings)
        self.embedding_multiplier = number("embedding_multiplier", embedding_multiplier, "(0, inf)")
        self.logits_scaling = number("logits_scaling", logits_scaling, "(0, inf)")
        self.context_length = optional_positive_int("context_length", context_length)
        self.learned_positions = boolean("learned_positions", learned_positions)
        if self.learned_positions and self.context_length is None:
            raise ValueError(
                "`learned_positions=True` needs `context_length`, the number of positions. "
                "Received: context_length=None."
            )
        self.padding_id = None if padding_id is None else non_negative_int("padding_id", padding_id)
        if self.padding_id is not None and self.padding_id >= self.vocabulary_size:
            raise ValueError(
                f"`padding_id` must be less than `vocabulary_size`, {vocabulary_size}. Received: "
                f"padding_id={padding_id}."
            )
        self.dropout = number("dropout", dropout, "[0, 1]")
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True
        self._generations: dict[bool, Generation] = {}

        same = {"dtype": self.dtype_policy}
        self.token_embedding = keras.layers.ReversibleEmbedding(
            self.vocabulary_size,
            self.width,
            tie_weights=self.tie_embeddings,
            embeddings_initializer=self.embeddings_initializer,
            name="token_embedding",
            **same,
        )
        # As the head, it gets tensors with masks; it passes none on.
        self.token_embedding.supports_masking = True
        self.position_embedding = None
        if self.learned_positions:
            self.position_embedding = keras.layers.Embedding(
                self.context_length,
                self.width,
                embeddings_initializer=self.embeddings_initializer,
                name="position_embedding",
                **same,
            )
        self.embedding_dropout = keras.layers.Dropout(self.dropout, name="dropout", **same)
        self.blocks = blocks
        self.final_norm = None
        if self.norm is not None:
            self.final_norm = NORMS[self.norm](epsilon=self.norm_epsilon, name="final_norm", **same)

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights, whose shapes do not depend on that of the inputs."""
        del input_shape
        self.token_embedding.build((None, None))
        if self.position_embedding is not None:
            self.position_embedding.build((None, None))
        shape = (None, None, self.width)
        self.embedding_dropout.build(shape)
        for block in self.blocks:
            if not block.built:
                block.build(shape)
        if self.final_norm is not None:
            self.final_norm.build(shape)
        self.built = True

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Tensor:
        tokens = unpacked(inputs, mask, self.padding_id)
        self._check_length(tokens.token_ids.shape[1])
        positions = tokens.positions
        x = self._embedded(tokens.token_ids, positions)
        x = self.embedding_dropout(x, training=training)
        for block in self.blocks:
            x = block(
                x,
                positions=positions,
                mask=tokens.mask,
                segment_ids=tokens.segment_ids,
                token_ids=tokens.token_ids,
                training=training,
            )
        logits = self._logits(x)
        if tokens.mask is not None:
            keras_private.set_mask(logits, tokens.mask)
        return logits

    def call_with_caches(
        self,
        token_ids: Tensor,
        caches: list[dict[str, Tensor]],
        cache_index: Any,
        positions: Tensor = None,
        mask: Tensor = None,
    ) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """Reads more tokens of texts whose earlier tokens are in caches.

        Args:
            token_ids: Int `[B, T]`, the next tokens.
            caches: What `make_caches` or an earlier call returned.
            cache_index: Where the first of the tokens is stored, in all rows: an integer or a
                scalar tensor.
            positions: Int `[B, T]`; counted from `cache_index` by default.
            mask: Optional bool `[B, T]`, False for padding.

        Returns:
            A pair of float32 logits `[B, V]`, those after the last of the tokens, and new caches.
        """
        if positions is None:
            positions = ops.arange(ops.shape(token_ids)[1], dtype="int32")[None] + cache_index
        x = self._embedded(token_ids, positions)
        new_caches = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block(
                x,
                positions=positions,
                mask=mask,
                cache=cache,
                cache_index=cache_index,
                token_ids=token_ids,
                training=False,
            )
            new_caches.append(cache)
        return self._logits(x[:, -1:])[:, 0], new_caches

    def make_caches(self, batch_size: Any, max_length: int) -> list[dict[str, Tensor]]:
        """Makes an empty cache for each block.

        Args:
            batch_size: Number of texts: an integer or a scalar tensor.
            max_length: Number of tokens of the longest text that fits.
        """
        if not self.built:
            self.build()
        return [block.make_cache(batch_size, max_length) for block in self.blocks]

    def generate(
        self,
        prompts: Any,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: Any = None,
        seed: int | None = None,
        stream: bool = False,
        jit_compile: bool = False,
    ) -> Any:
        """Continues texts.

        Prompts may differ in length: each is continued as it is alone. The first call compiles, and
        so does one with another number of prompts, or with lengths beyond the next power of two.

        Args:
            prompts: A list of token ids, or a list of such lists.
            max_new_tokens: The most tokens that each text gets. A text also ends where the context
                is full.
            temperature: 0 for the most likely token. Otherwise tokens are drawn from
                `softmax(logits / temperature)`.
            top_k: Optional: only the k most likely tokens are drawn, and those as likely as the
                last of them.
            top_p: Optional: of these, only the fewest most likely ones that have a probability of
                at least this together (nucleus sampling).
            stop: Optional id, or list of ids, of tokens that end a text. They are not returned.
            seed: Optional seed. With one, a prompt always gets the same text, whatever prompts are
                beside it; equal prompts get different ones.
            stream: Whether to return an iterator that yields new tokens as they are generated.
            jit_compile: Whether XLA compiles on TensorFlow, too: tokens take less time, and the
                first call more. JAX always does so, PyTorch never.

        Returns:
            The new token ids: a list for each prompt, or one list if `prompts` is one. With
            `stream=True`, an iterator of these, each with the tokens since the one before.

        Raises:
            ValueError: If there is no prompt, or one is empty, longer than the context, or has ids
                outside of the vocabulary; if `top_k` or `top_p` are given at temperature 0.

        Example:

        >>> model = sparse_keras.models.causal_lm(
        ...     vocabulary_size=100, depth=1, width=32, num_heads=4, hidden_dim=64
        ... )
        >>> texts = model.generate([[1, 2, 3], [4]], max_new_tokens=5, temperature=0.8, seed=1)
        >>> [len(text) for text in texts]
        [5, 5]
        >>> for new in model.generate([1, 2, 3], max_new_tokens=5, stream=True):
        ...     assert len(new) == 1
        """
        return generate(
            self,
            prompts,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            stop=stop,
            seed=seed,
            stream=stream,
            jit_compile=jit_compile,
        )

    def generation(self, jit_compile: bool = False) -> Generation:
        """Returns what is compiled to generate by this model, as long as its variables stay."""
        if not self.built:
            self.build()
        found = self._generations.get(jit_compile)
        if found is None or not found.is_current():
            found = self._generations[jit_compile] = Generation(self, jit_compile)
        return found

    def forget_compiled(self) -> None:
        """Forgets what was compiled to generate, where more than variables has changed."""
        self._generations.clear()

    def _embedded(self, token_ids, positions):
        x = self.token_embedding(token_ids)
        if self.embedding_multiplier != 1.0:
            x = x * self.embedding_multiplier
        if self.position_embedding is not None:
            if positions is None:
                positions = ops.arange(ops.shape(token_ids)[1], dtype="int32")[None]
            x = x + self.position_embedding(positions)
        return x

    def _logits(self, x):
        if self.final_norm is not None:
            x = self.final_norm(x)
        logits = ops.cast(self.token_embedding(x, reverse=True), "float32")
        return logits if self.logits_scaling == 1.0 else logits / self.logits_scaling

    def _check_length(self, length):
        if None not in (length, self.context_length) and length > self.context_length:
            raise ValueError(
                f"The context of {self.name!r} is {self.context_length} tokens. Received: a text "
                f"of {length} tokens."
            )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return unpacked(inputs, previous_mask, self.padding_id).mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape["token_ids"] if isinstance(input_shape, dict) else input_shape
        return (*shape, self.vocabulary_size)

    def compute_output_spec(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        shape = (inputs["token_ids"] if isinstance(inputs, dict) else inputs).shape
        self._check_length(shape[1])
        return keras.KerasTensor((*shape, self.vocabulary_size), "float32")

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the multiplications and additions of the matmuls for one text `[B, T]`.

        Returns `None` if T is `None`, or if those of a feed-forward layer are not known.
        """
        flops = [flops for _, _, flops in self.layer_calls(input_shape[1])]
        return None if None in flops else sum(flops)

    def layer_calls(self, length: int | None) -> list[tuple[keras.layers.Layer, tuple, int | None]]:
        """Returns `(layer, output shapes, FLOPs)` of each layer, for a text of so many tokens."""
        shape = (None, length, self.width)
        head = None if length is None else 2 * length * self.width * self.vocabulary_size
        logits = (None, length, self.vocabulary_size)
        calls = [(self.token_embedding, (shape, logits), head)]
        others = [self.position_embedding, self.embedding_dropout, *self.blocks, self.final_norm]
        for layer in others:
            if layer is not None:
                calls.append((layer, (shape,), layer_flops(layer, shape)))
        return calls

    def get_config(self) -> dict[str, Any]:
        names = (
            *("vocabulary_size", "width", "norm", "norm_epsilon", "tie_embeddings"),
            *("embedding_multiplier", "logits_scaling", "context_length", "learned_positions"),
            *("padding_id", "dropout", "checkpoint"),
        )
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **{name: getattr(self, name) for name in names},
            "blocks": [keras.saving.serialize_keras_object(block) for block in self.blocks],
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "CausalLM":
        blocks = [
            keras.saving.deserialize_keras_object(block, custom_objects=custom_objects)
            for block in config["blocks"]
        ]
        return cls(**{**config, "blocks": blocks})
