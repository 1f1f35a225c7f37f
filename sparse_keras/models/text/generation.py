"""Generation: a model continues texts.

A prompt is read at once; then each step reads one token and chooses the next. Each block has a
cache of fixed size, and steps run in a loop that is compiled, some at a time. What is compiled
depends on the number of prompts, and on the powers of two above the length of the longest prompt
and of the longest text; not on how tokens are drawn.
"""

import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras._internal.powers import power_of_two
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.validation import (
    boolean,
    number,
    optional_int,
    optional_number,
    optional_positive_int,
    positive_int,
)
from sparse_keras.models.text.prompts import as_lists, check_ids, padded, seeds_of
from sparse_keras.models.text.sampling import Sampling, next_tokens
from sparse_keras.models.text.token_inputs import positions_of

if keras.backend.backend() == "tensorflow":
    from sparse_keras.models.text.tensorflow_backend import compiled
elif keras.backend.backend() == "jax":
    from sparse_keras.models.text.jax_backend import compiled
elif keras.backend.backend() == "torch":
    from sparse_keras.models.text.torch_backend import compiled

# Steps between two looks at the tokens; when they are streamed, a step at a time.
_STEPS = 16
_NONE = -1  # In place of a token, where a text has ended.


class Generation:
    """The compiled functions by which one model generates.

    Args:
        model: A built `CausalLM`.
        jit_compile: Whether XLA compiles them.
    """

    def __init__(self, model: Any, jit_compile: bool):
        self.model = model
        self.variables = [id(variable) for variable in model.variables]
        self._prefill = compiled(model, self._prefill_step, jit_compile)
        self._decode = compiled(model, self._decode_steps, jit_compile)

    def is_current(self) -> bool:
        """Whether the model has the variables that it had, and not those of LoRA in addition."""
        return self.variables == [id(variable) for variable in self.model.variables]

    def __call__(
        self,
        prompts: list[list[int]],
        max_new_tokens: int,
        sampling: Sampling,
        stop: np.ndarray,
        steps: int,
        ended: np.ndarray,
    ) -> Iterator[list[list[int]]]:
        """Yields the new tokens of each text, some at a time, until all have ended.

        `ended`, bool `[B]`, is read before each run of the loop: a text that the caller has marked
        there gets no more tokens.
        """
        batch = padded(prompts)
        index = batch.token_ids.shape[1]
        caches = self.model.make_caches(len(prompts), power_of_two(index + max_new_tokens))
        tokens, state = self._prefill(caches, batch.token_ids, batch.mask, sampling, stop)
        left = max_new_tokens - 1
        while True:
            tokens = ops.convert_to_numpy(tokens)
            yield [[int(token) for token in row if token != _NONE] for row in tokens]
            count = min(steps, left)
            done = np.logical_or(ops.convert_to_numpy(state[-1]), ended)
            if not count or done.all():
                return
            state = (*state[:-1], done)
            tokens, state = self._decode(state, _int32(index), _int32(count), sampling, stop)
            index, left = index + count, left - count

    def _prefill_step(self, caches, token_ids, mask, sampling, stop):
        """Reads prompts. Returns the first new tokens `[B, 1]`, and the state of the loop."""
        positions = positions_of(mask)
        logits, caches = self.model.call_with_caches(
            token_ids, caches, 0, positions=positions, mask=mask
        )
        done = ops.zeros((mask.shape[0],), "bool")
        new, *state = self._chosen(logits, positions[:, -1], done, sampling, stop)
        return new[:, None], (caches, *state)

    def _decode_steps(self, state, index, count, sampling, stop):
        """Goes on by `count` tokens. Returns them, `[B, _STEPS]`, and the next state.

        The state is the caches, the last token, its position, and whether the text has ended.
        """
        tokens = ops.full((state[1].shape[0], _STEPS), _NONE, "int32")

        def goes_on(step, tokens, caches, token, position, done):
            return ops.logical_and(step < count, ops.logical_not(ops.all(done)))

        def body(step, tokens, caches, token, position, done):
            logits, caches = self.model.call_with_caches(
                token[:, None],
                caches,
                index + step,
                positions=position[:, None],
                mask=ops.logical_not(done)[:, None],
            )
            new, *state = self._chosen(logits, position, done, sampling, stop)
            tokens = ops.slice_update(tokens, [0, step], new[:, None])
            return step + 1, tokens, caches, *state

        zero = ops.zeros((), "int32")
        _, tokens, *state = ops.while_loop(goes_on, body, (zero, tokens, *state))
        return tokens, tuple(state)

    def _chosen(self, logits, position, done, sampling, stop) -> tuple[Tensor, ...]:
        """Chooses the tokens after those at `position`.

        Returns:
            `[B]` each: what is new, `_NONE` for texts that have ended; and the next state: the
            last tokens, their positions, and which texts have ended.
        """
        model = self.model
        if model.padding_id is not None:  # It is no token.
            is_padding = ops.arange(model.vocabulary_size, dtype="int32") == model.padding_id
            logits = ops.where(is_padding, -1e30, logits)
        token = next_tokens(logits, sampling, position + 1)
        done = ops.logical_or(done, ops.any(token[:, None] == stop[None], axis=1))
        if model.context_length is not None:
            done = ops.logical_or(done, position + 1 >= model.context_length)
        # Where a text has ended, it stays: positions beyond the context may have no embedding.
        return ops.where(done, _NONE, token), token, ops.where(done, position, position + 1), done


def _int32(value):
    return np.array(value, "int32")


def generate(model: Any, prompts: Any, *, stream: bool, **options: Any) -> Any:
    """Generates from token ids, with the arguments of `CausalLM.generate`."""
    rows, single = as_lists(prompts)
    pieces = new_tokens(model, rows, stream=stream, **options)
    if stream:
        return (piece[0] if single else piece for piece in pieces)
    texts: list[list[int]] = [[] for _ in rows]
    for piece in pieces:
        for text, new in zip(texts, piece, strict=True):
            text += new
    return texts[0] if single else texts


def new_tokens(
    model: Any,
    rows: list[list[int]],
    *,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    stop: Any,
    seed: int | None,
    stream: bool,
    jit_compile: bool,
    ended: np.ndarray | None = None,
) -> Iterator[list[list[int]]]:
    """Checks arguments, and generates.

    Args:
        model: A `CausalLM`.
        rows: The token ids of each prompt.
        max_new_tokens, temperature, top_k, top_p, stop, seed, stream, jit_compile: As for
            `CausalLM.generate`.
        ended: Optional bool `[B]`, which the caller may change between two pieces: a text that is
            marked there gets no more tokens.

    Returns:
        An iterator of the new tokens of each text, some at a time: one each with `stream`.

    Raises:
        ValueError: If an argument is wrong.
    """
    _check_prompts(model, rows)
    max_new_tokens = positive_int("max_new_tokens", max_new_tokens)
    temperature = number("temperature", temperature, "[0, inf)")
    top_k = optional_positive_int("top_k", top_k)
    top_p = optional_number("top_p", top_p, "(0, 1]")
    if temperature == 0 and not top_k is top_p is None:
        raise ValueError(
            "`top_k` and `top_p` have no effect at temperature 0, the most likely token. Received: "
            f"temperature={temperature}, top_k={top_k}, top_p={top_p}."
        )
    seed = optional_int("seed", seed)
    sampling = Sampling(
        temperature=np.array(temperature, "float32"),
        top_k=_int32(min(top_k or model.vocabulary_size, model.vocabulary_size)),
        top_p=np.array(1.0 if top_p is None else top_p, "float32"),
        seeds=seeds_of(rows, random.getrandbits(31) if seed is None else seed),
    )
    stop = _stop_ids(stop, model.vocabulary_size)
    steps = 1 if boolean("stream", stream) else _STEPS
    ended = np.zeros(len(rows), "bool") if ended is None else ended
    generation = model.generation(boolean("jit_compile", jit_compile))
    return generation(rows, max_new_tokens, sampling, stop, steps, ended)


def _check_prompts(model, rows):
    for index, row in enumerate(rows):
        check_ids(f"the prompt at index {index}", row, model.vocabulary_size)
        if model.padding_id in row:
            raise ValueError(
                f"Prompts are not padded. Received: the id of padding, {model.padding_id}, in the "
                f"prompt at index {index}."
            )
        if model.context_length is not None and len(row) > model.context_length:
            raise ValueError(
                f"The context of {model.name!r} is {model.context_length} tokens. Received: a "
                f"prompt of {len(row)} tokens at index {index}."
            )


def _stop_ids(stop, vocabulary_size):
    """Ids as int32 `[n]`, n a power of two: what is compiled depends on n."""
    ids = [] if stop is None else as_lists([stop] if np.ndim(stop) == 0 else stop)[0][0]
    check_ids("`stop`", ids, vocabulary_size)
    ids = ids + [_NONE] * (power_of_two(max(len(ids), 4)) - len(ids))
    return np.array(ids, "int32")
