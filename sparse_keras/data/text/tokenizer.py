"""Tokenizer: texts to token ids and back, by the Hugging Face library `tokenizers`."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from sparse_keras._internal.checkpoint_names import CHECKPOINTS
from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.data.download import checkpoints
from sparse_keras.data.text.saved_tokenizer import saved_tokenizer, tokenizer_file
from sparse_keras.data.text.token_bytes import bytes_of_pieces, bytes_of_tokens
from sparse_keras.data.text.training_texts import limited

if TYPE_CHECKING:
    import tokenizers

END_OF_TEXT = "<|endoftext|>"
# What tokenizers of known models call the token that ends, or separates, texts.
_KNOWN_ENDS = (
    END_OF_TEXT,
    "<|end_of_text|>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    "<eos>",
    "<|im_end|>",
    "[SEP]",
)


@keras.saving.register_keras_serializable(package="sparse_keras")
class Tokenizer:
    """Turns texts into token ids and back.

    `Tokenizer.train` trains byte-pair encoding on bytes, as GPT-2 has it: there is no unknown
    token, and a text that was encoded is decoded to itself. `Tokenizer.load` reads a
    `tokenizer.json`. Special tokens in a text, such as `"<|endoftext|>"`, are encoded as the
    characters they are written with.

    Args:
        content: The JSON text of a `tokenizer.json`.
        end_of_text: The special token that separates documents and ends generated texts. `None`:
            what the tokenizer of a known model calls it.

    Attributes:
        vocabulary_size: V, the number of tokens.
        end_id: The id of the token that separates documents.
        unknown_id: The id that stands for what has no token, or `None` if there is none.

    Raises:
        ValueError: If `tokenizers` is not installed, the content is no tokenizer, or it has no
            token that separates documents.

    Example:

    >>> tokenizer = sparse_keras.data.Tokenizer.train(["to be or not to be"] * 10, 300)
    >>> tokenizer.decode(tokenizer.encode("to be 存在"))
    'to be 存在'
    """

    def __init__(self, content: str, end_of_text: str | None = None) -> None:
        self.content = content
        self._tokenizer = _parsed(content)
        # A text that quotes a special token is not to end there.
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        self.end_of_text = _end_of_text(end_of_text, vocabulary)
        self.vocabulary_size = max(vocabulary.values()) + 1
        self.end_id = vocabulary[self.end_of_text]
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        self.unknown_id = vocabulary.get(unknown) if unknown is not None else None
        self._bytes: list[bytes] | None = None
        self._readable: list[bytes] | None = None

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int = 8192) -> Tokenizer:
        """Trains byte-pair encoding on the bytes of texts.

        Of more than 5 million characters, a random sample of that size is read.

        Args:
            texts: Strings.
            vocabulary_size: Maximum number of tokens, at least 257: a byte each, and the token
                that separates documents. Few texts may have fewer.

        Raises:
            ValueError: If `tokenizers` is not installed, or the size is too small.
        """
        library = tokenizers_library()
        if vocabulary_size < 257:
            raise ValueError(
                "`vocabulary_size` must be at least 257, for 256 bytes and the end of a text. "
                f"Received: {vocabulary_size}."
            )
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            special_tokens=[END_OF_TEXT],
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(map(_checked, limited(texts)), trainer)
        return cls(tokenizer.to_str(), END_OF_TEXT)

    @classmethod
    def load(cls, path: str | os.PathLike, end_of_text: str | None = None) -> Tokenizer:
        """Reads a `tokenizer.json`, or the tokenizer of a saved model of texts.

        Args:
            path: The file, or the folder in which it is; or a run's folder or a `.keras` file; or
                the name of a published encoder that is downloaded once, `"all_minilm_l6_v2"`.
            end_of_text: As for the constructor.

        Raises:
            ValueError: If the file is no tokenizer. `OSError` if it cannot be read.
        """
        if os.fspath(path) in CHECKPOINTS and checkpoints.is_name(path):
            path = checkpoints.file_of(os.fspath(path))
        file = tokenizer_file(Path(path))
        if not file.exists():
            raise FileNotFoundError(
                f"There is no file {str(file)!r}, to read a tokenizer from."
                f"{checkpoints.similar_name(path)}"
            )
        try:
            if file.suffix == ".gguf":
                raise ValueError(
                    "a GGUF file holds the tokenizer with the model. Load it by "
                    "`sparse_keras.load_pretrained`, and write its tokenizer.json by "
                    "`save_pretrained`"
                )
            if file.suffix == ".keras":
                config = saved_tokenizer(file)
                return cls(config["content"], end_of_text or config["end_of_text"])
            return cls(file.read_text(encoding="utf-8"), end_of_text)
        except (UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    def save(self, path: str | os.PathLike) -> None:
        """Writes a `tokenizer.json`, which Hugging Face libraries read too."""
        Path(path).write_text(self.content, encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Returns the token ids of a text, without any for its beginning or end.

        Raises:
            ValueError: If it is no string, or has half of a surrogate pair.
        """
        return self._tokenizer.encode(_checked(text), add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token ids of several texts, as `encode` of each."""
        texts = [_checked(text) for text in texts]
        encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [one.ids for one in encoded]

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of token ids.

        Bytes that are not UTF-8 become U+FFFD. The bytes of a character that is cut off at the end
        are left out. Special tokens have no text.
        """
        # Unlike `bytes.decode`, it waits for the rest of a character that is not complete.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder.decode(b"".join(self.bytes_of(token) for token in ids))

    def bytes_of(self, token: int) -> bytes:
        """Returns the bytes of a token: of the text that it stands for. Special ones have none.

        Raises:
            ValueError: If the tokenizer cannot say, since it does not encode bytes.
        """
        return self.token_bytes[token]

    @property
    def token_bytes(self) -> list[bytes]:
        """The bytes of each token, by id; see `bytes_of`."""
        if self._bytes is None:
            self._bytes = bytes_of_tokens(self._tokenizer, self.vocabulary_size)
        return self._bytes

    @property
    def readable_bytes(self) -> list[bytes]:
        """The bytes by which to show each token, by id: `token_bytes`; or of a tokenizer of pieces
        of words, such as BERT's, the piece, after a space where a word begins."""
        if self._readable is None:
            pieces = bytes_of_pieces(self._tokenizer, self.vocabulary_size)
            self._readable = self.token_bytes if pieces is None else pieces
        return self._readable

    def token_of(self, token_id: int) -> str:
        """Returns the token of an id, as the vocabulary writes it: a special one has no text."""
        return self._tokenizer.id_to_token(token_id)

    @property
    def begin_ids(self) -> tuple[int, ...]:
        """The special ids that the tokenizer's own template puts before each text: often none, or
        one. `encode` does not."""
        return self._template()[0]

    @property
    def final_ids(self) -> tuple[int, ...]:
        """The special ids that the template puts after each text, such as BERT's `[SEP]`."""
        return self._template()[1]

    def _template(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        # Of a vocabulary without "a", a token that is text shows where a text stands.
        for text in ("a", *self._tokenizer.get_vocab(with_added_tokens=False)):
            whole = self._tokenizer.encode(text, add_special_tokens=True)
            special = whole.special_tokens_mask
            inner = [place for place, is_special in enumerate(special) if not is_special]
            if inner:
                return tuple(whole.ids[: inner[0]]), tuple(whole.ids[inner[-1] + 1 :])
        return tuple(whole.ids), ()

    def get_config(self) -> dict[str, Any]:
        return {"content": self.content, "end_of_text": self.end_of_text}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Tokenizer:
        return cls(**config)

    def __repr__(self) -> str:
        return f"Tokenizer(vocabulary_size={self.vocabulary_size})"


def tokenizers_library() -> Any:
    """Returns the library `tokenizers`. Raises a `ValueError` if it is not installed."""
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise ValueError(
            "Texts need a library that is not installed: pip install 'sparse-keras[text]'"
        ) from None
    return tokenizers


def _parsed(content: str) -> tokenizers.Tokenizer:
    library = tokenizers_library()
    try:
        json.loads(content)
        return library.Tokenizer.from_str(content)
    except Exception as error:  # The library raises no narrower class.
        raise ValueError(
            "Expected a tokenizer as the Hugging Face library `tokenizers` saves it "
            f"(tokenizer.json). Received a text that is none: {error}"
        ) from error


def _end_of_text(given, vocabulary):
    if given is not None:
        if given in vocabulary:
            return given
        raise ValueError(
            f"The tokenizer has no token {given!r}.{did_you_mean(given, vocabulary)} `end_of_text` "
            "must be the token that separates documents."
        )
    for token in _KNOWN_ENDS:
        if token in vocabulary:
            return token
    raise ValueError(
        "The tokenizer has no token that is known to separate documents, such as "
        f"{', '.join(_KNOWN_ENDS[:3])}. Name it: `end_of_text`."
    )


def _checked(text):
    if not isinstance(text, str):
        raise ValueError(f"A text must be a string. Received: {text!r}, {type(text).__name__}.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The character at position {error.start} of a text is half of a surrogate pair, "
            f"{text[error.start]!r}, which is no character by itself. Read the file with "
            "errors='replace' instead of 'surrogateescape'."
        ) from None
    return text
