"""TextGenerator: a language model that reads and writes strings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import keras
import numpy as np

from sparse_keras.data import LanguagePreprocessor
from sparse_keras.layers.validation import boolean
from sparse_keras.models.preprocessed_model import PreprocessedModel
from sparse_keras.models.text.generation import new_tokens
from sparse_keras.models.text.language_model import CausalLM
from sparse_keras.models.text.text_pieces import TextPieces


@keras.saving.register_keras_serializable(package="sparse_keras")
class TextGenerator(PreprocessedModel):
    """A language model together with its tokenizer: it continues texts.

    `train` and `load_model` return one for a model of type `causal_lm`. It is a `PreprocessedModel`
    of texts: `fit`, `evaluate` and `predict` take strings, and the tokenizer is saved in the
    `.keras` file. `evaluate` returns the loss, the perplexity and the bits per byte of texts;
    padding does not count. The loss is Keras's mean over batches, the others are of all tokens.
    `predict` returns logits.

    Args:
        core: The network, a `CausalLM`.
        preprocessor: The `data.LanguagePreprocessor`, of as many tokens.

    Raises:
        ValueError: If these are of other classes, or do not fit each other.

    Example:

    >>> tokenizer = sparse_keras.data.Tokenizer.train(["to be or not to be"] * 10, 300)
    >>> model = sparse_keras.models.TextGenerator(
    ...     sparse_keras.models.causal_lm(
    ...         vocabulary_size=tokenizer.vocabulary_size,
    ...         depth=1,
    ...         width=32,
    ...         num_heads=4,
    ...         hidden_dim=64,
    ...         context_length=64,
    ...     ),
    ...     sparse_keras.data.LanguagePreprocessor(tokenizer, context_length=64),
    ... )
    >>> text = model.generate("to be", max_new_tokens=8, temperature=0.8, seed=1)
    >>> isinstance(text, str)
    True
    """

    def __init__(self, core: CausalLM, preprocessor: LanguagePreprocessor, **kwargs: Any) -> None:
        if not isinstance(core, CausalLM):
            raise ValueError(f"`core` must be a CausalLM. Received: {core!r}.")
        if not isinstance(preprocessor, LanguagePreprocessor):
            raise ValueError(
                f"`preprocessor` must be a LanguagePreprocessor. Received: {preprocessor!r}."
            )
        size = preprocessor.tokenizer.vocabulary_size
        if core.vocabulary_size < size:
            raise ValueError(
                f"The tokenizer has {size} tokens, and the network reads only "
                f"{core.vocabulary_size}: its `vocabulary_size`."
            )
        super().__init__(core, preprocessor, **kwargs)

    def generate(
        self,
        prompts: str | list[str],
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: str | list[str] | None = None,
        seed: int | None = None,
        stream: bool = False,
        jit_compile: bool = False,
    ) -> Any:
        """Continues texts.

        A text ends after `max_new_tokens`, at a stop string, where the model ends it, or where the
        context is full. Each prompt is continued as it is alone, whatever prompts are beside it.
        The first call compiles, and so does one with another number of prompts, or with lengths
        beyond the next power of two.

        Args:
            prompts: A string, or a list of strings. An empty string is the beginning of a new text.
            max_new_tokens: The most tokens that each text gets.
            temperature: 0 for the most likely token. Otherwise tokens are drawn from
                `softmax(logits / temperature)`; lower values keep closer to likely ones.
            top_k: Optional: only the k most likely tokens are drawn, and those as likely as the
                last of them.
            top_p: Optional: of these, only the fewest most likely ones that have a probability of
                at least this together (nucleus sampling).
            stop: Optional string, or list of strings: each text ends before the first of them in
                what is new, whichever tokens it is made of.
            seed: Optional seed. With one, a prompt always gets the same text; equal prompts get
                different ones.
            stream: Whether to return an iterator that yields pieces of text as they are generated.
                Joined, they are what is returned otherwise. What may be the beginning of a stop
                string, or a part of a character, waits for the next piece.
            jit_compile: Whether XLA compiles on TensorFlow, too: tokens take less time, and the
                first call more. JAX always does so, PyTorch never.

        Returns:
            The new text, without the prompt: a string, or a list with one for each prompt. With
            `stream=True`, an iterator of strings that are not empty, or of lists with a string for
            each prompt, of which at least one is not empty. Bytes that are not UTF-8 become U+FFFD,
            and a character that is not complete at the end is left out.

        Raises:
            ValueError: If `prompts` are no strings, there is none, one has half of a surrogate pair
                or does not fit into the context; if a stop string is empty; if `top_k` or `top_p`
                are given at temperature 0.

        Example:

        ```python
        model = sparse_keras.load_model("last")
        model.generate("ROMEO:", max_new_tokens=200, temperature=0.8, stop="\\n\\n")
        for piece in model.generate("ROMEO:", temperature=0.8, stream=True):
            print(piece, end="", flush=True)
        ```
        """
        rows = self.encode_prompts(prompts)
        ended = np.zeros(len(rows), "bool")
        strings = _strings(stop)
        texts = [TextPieces(self.preprocessor.tokenizer, strings) for _ in rows]
        tokens = new_tokens(
            self.core,
            rows,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            stop=self.preprocessor.tokenizer.end_id,
            seed=seed,
            stream=boolean("stream", stream),
            jit_compile=jit_compile,
            ended=ended,
        )
        pieces = _pieces(tokens, texts, ended)
        single = isinstance(prompts, str)
        if stream:
            return (piece[0] if single else piece for piece in pieces)
        joined = ["".join(parts) for parts in zip(*pieces, strict=True)] or [""] * len(rows)
        return joined[0] if single else joined

    def encode_prompts(self, prompts: str | list[str]) -> list[list[int]]:
        """Returns the token ids from which each text is continued.

        Args:
            prompts: As for `generate`.

        Raises:
            ValueError: If `generate` does not take them.
        """
        given = [prompts] if isinstance(prompts, str) else prompts
        if not isinstance(given, (list, tuple)):
            raise ValueError(
                "`prompts` must be a string, or a list of strings. Received: "
                f"{given!r}, of type {type(given).__name__}."
            )
        if not given:
            raise ValueError(
                "`prompts` is empty. Give at least one string; '' is the beginning of a new text."
            )
        for index, prompt in enumerate(given):
            if not isinstance(prompt, str):
                raise ValueError(
                    f"`prompts` must be strings. Received: {prompt!r}, of type "
                    f"{type(prompt).__name__}, at index {index}."
                )
        rows = [self.preprocessor.prompt(prompt) for prompt in given]
        most = self.core.context_length
        for index, row in enumerate(rows):
            if most is not None and len(row) >= most:
                raise ValueError(
                    f"The context of the model is {most:,} tokens. Received: a prompt of "
                    f"{len(row):,} tokens at index {index}, the id at its beginning included, "
                    "which leaves no room for new ones. Pass its end alone."
                )
        return rows

    def predict_target(self, x: Any, **kwargs: Any) -> NoReturn:
        """Raises a ValueError: a language model has no target. See `generate`."""
        raise ValueError(_NO_TARGET)

    def predict_frame(self, x: Any, **kwargs: Any) -> NoReturn:
        """Raises a ValueError: a language model has no target. See `generate`."""
        raise ValueError(_NO_TARGET)

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises a ValueError: there is no export of generation."""
        raise ValueError(
            "A language model cannot be exported. Serve its .keras file, which `model.save(path)` "
            "writes: `sparse_keras.load_model(path).generate(prompts)`."
        )


_NO_TARGET = (
    "A language model predicts the next token at each position of a text, which is no value of a "
    "target. `model.generate(prompts)` continues texts, `model.predict(texts)` returns logits."
)


def _strings(stop):
    """Stop strings as a list.

    Raises:
        ValueError: If one is no string, or empty.
    """
    strings = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if not isinstance(strings, (list, tuple)) or not all(
        isinstance(string, str) and string for string in strings
    ):
        raise ValueError(
            "`stop` must be a string, or a list of strings, none of them empty. Received: "
            f"{stop!r}."
        )
    for string in strings:
        try:
            string.encode()
        except UnicodeEncodeError:
            raise ValueError(
                "A stop string with half of a surrogate pair is in no text. Received: "
                f"stop={stop!r}."
            ) from None
    return list(strings)


def _pieces(
    tokens: Iterator[list[list[int]]], texts: list[TextPieces], ended: np.ndarray
) -> Iterator[list[str]]:
    """Yields what is new of each text, and marks the texts that have ended."""
    for some in tokens:
        pieces = [text.add(new) for text, new in zip(texts, some, strict=True)]
        ended[:] = [text.ended for text in texts]
        if any(pieces):
            yield pieces
    pieces = [text.rest() for text in texts]
    if any(pieces):
        yield pieces
