"""A language model that reads and writes strings."""

import keras
import numpy as np
import pytest

from sparse_keras.data import LanguagePreprocessor, Preprocessor, Tokenizer
from sparse_keras.models import CausalLM, PreprocessedModel, TextGenerator, preprocessed
from sparse_keras.tasks import Binary
from tests.models.text.text_generators import CONTEXT, make_random, make_reciter

TEXT = "ab 存🙂\n!"
PROMPTS = ["to be", "存", "", "the question"]
DRAWN = {"max_new_tokens": 20, "temperature": 1.0, "seed": 3}


@pytest.fixture(scope="module", autouse=True)
def fresh_state():
    """The models below are used by all tests; clearing Keras after each would not be."""


@pytest.fixture(scope="module")
def reciter():
    return make_reciter(TEXT)


@pytest.fixture(scope="module")
def model():
    return make_random()


def test_it_goes_on_until_the_end(reciter):
    assert reciter.generate("") == TEXT
    assert reciter.generate("ab") == TEXT[2:]
    assert reciter.generate(["ab", "!", ""]) == [TEXT[2:], "", TEXT]
    assert reciter.generate(("!",)) == [""]


def test_a_character_that_is_not_complete(reciter):
    """The fourth to sixth byte are one character, the next four another."""
    texts = [reciter.generate("", max_new_tokens=count) for count in range(3, 12)]
    assert texts == ["ab ", "ab ", "ab ", *["ab 存"] * 4, "ab 存🙂", "ab 存🙂\n"][: len(texts)]


@pytest.mark.parametrize(
    "stop, expected",
    [
        ("存", "ab "),
        ("b 存🙂", "a"),
        (["🙂", "存"], "ab "),
        (["never", "\n!"], "ab 存🙂"),
        ("a", ""),
        ("!!", TEXT),
        ([], TEXT),
    ],
)
def test_stop(reciter, stop, expected):
    assert reciter.generate("", stop=stop) == expected
    assert "".join(reciter.generate("", stop=stop, stream=True)) == expected
    # In the prompt it does not count.
    assert reciter.generate("ab 存🙂", stop="存") == "\n!"


def test_a_text_that_was_stopped_gets_no_more_tokens(monkeypatch):
    reciter, steps = make_reciter(TEXT, ends=False), []
    decode = reciter.core.generation()._decode
    monkeypatch.setattr(
        reciter.core.generation(), "_decode", lambda *args: steps.append(0) or decode(*args)
    )
    found = {}
    for name, stop in {"none": None, "one": "\n!a", "both": "!"}.items():
        steps.clear()
        pieces = list(reciter.generate(["", "ab"], 40, stop=stop, stream=True))
        found[name] = len(steps), ["".join(row) for row in zip(*pieces, strict=True)]
    assert found["none"][0] == 39
    # The first token is that of the prompt; the text has one token for each byte.
    assert found["both"] == (len(TEXT.encode()) - 1, [TEXT[:-1], TEXT[2:-1]])
    assert found["one"] == (len(TEXT.encode()), [TEXT[:-2], TEXT[2:-2]])


def test_streamed_text_is_the_text(model, reciter):
    texts = model.generate(PROMPTS, **DRAWN)
    assert len(set(texts)) == 4
    pieces = list(model.generate(PROMPTS, **DRAWN, stream=True))
    assert len(pieces) > 8 and all(any(piece) for piece in pieces)
    assert ["".join(row) for row in zip(*pieces, strict=True)] == texts
    assert list(reciter.generate("ab", stream=True)) == [" ", "存", "🙂", "\n", "!"]
    assert list(reciter.generate("!", stream=True)) == []


def test_each_prompt_is_continued_as_alone(model):
    texts = model.generate(PROMPTS, **DRAWN)
    assert [model.generate(prompt, **DRAWN) for prompt in PROMPTS[:2]] == texts[:2]
    assert model.generate(PROMPTS[::-1], **DRAWN) == texts[::-1]
    # So it is by the tokens of the network itself.
    tokens = model.encode_prompts(PROMPTS)
    end = model.preprocessor.tokenizer.end_id
    assert all(row[0] == end for row in tokens)
    ids = model.core.generate(tokens, **DRAWN, stop=end)
    assert [model.preprocessor.tokenizer.decode(row) for row in ids] == texts


def test_the_end_of_the_context(model):
    prompt = "a" * (CONTEXT - 4)  # And the id at its beginning.
    length = len(model.encode_prompts(prompt)[0])
    new = model.core.generate(model.encode_prompts(prompt), max_new_tokens=40)[0]
    assert length + len(new) == CONTEXT
    assert model.generate(prompt) == model.preprocessor.tokenizer.decode(new)


def test_saved(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is TextGenerator and loaded.threshold is None
    assert loaded.generate(PROMPTS, **DRAWN) == model.generate(PROMPTS, **DRAWN)


def test_padding_does_not_count_in_evaluate(model):
    model.compile("sgd", **model.task.compile_arguments())
    texts = ["to be", "that is the question 存🙂", ""]
    together = model.evaluate(texts, return_dict=True, verbose=0)
    losses, sizes = [], []
    for text in texts:
        ids = model.encode_prompts(text)[0]
        labels = np.array([*ids[1:], ids[0]])
        logits = keras.ops.convert_to_numpy(model.core(np.array([ids])))[0].astype("float64")
        shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        losses += (-np.log(shares[np.arange(len(ids)), labels])).tolist()
        sizes.append(len(text.encode()))
    assert together["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert together["perplexity"] == pytest.approx(np.exp(np.mean(losses)), rel=1e-3)
    bits = np.sum(losses) / np.log(2) / np.sum(sizes)
    assert together["bits_per_byte"] == pytest.approx(bits, rel=1e-4)


@pytest.mark.usefixtures("eager_functions")
def test_fit_on_strings():
    model = make_random()
    model.compile("adam", **model.task.compile_arguments())
    texts = ["to be", "or not to be 存"] * 4
    losses = model.fit(texts, validation_data=(texts,), epochs=3, verbose=0).history["val_loss"]
    assert losses[-1] < losses[0]


def test_logits_carry_the_mask_once(model):
    from sparse_keras._internal import keras_private

    logits = model(["to be", "a"])
    mask = keras.ops.convert_to_numpy(keras_private.mask_of(logits))
    assert mask.tolist() == model.encode(["to be", "a"])["mask"].tolist() and not mask.all()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"prompts": []}, "`prompts` is empty"),
        ({"prompts": 3}, "a string, or a list of strings. Received: 3, of type int"),
        ({"prompts": b"a"}, "of type bytes"),
        ({"prompts": ["a", None]}, "must be strings. Received: None, of type NoneType, at index 1"),
        ({"prompts": [1, 2]}, "must be strings. Received: 1, of type int, at index 0"),
        ({"prompts": "a\ud800"}, "position 1 of a text is half of a surrogate pair"),
        ({"prompts": ["", "x" * 100_000]}, "context of the model is 64.*100,001 tokens at index 1"),
        ({"prompts": "x" * (CONTEXT - 1)}, "leaves no room for new ones. Pass its end alone"),
        ({"stop": ""}, "none of them empty. Received: ''"),
        ({"stop": ["a", 3]}, r"`stop` must be.*\['a', 3\]"),
        ({"stop": 3}, "`stop` must be"),
        ({"stop": ["\udc00"]}, "half of a surrogate pair is in no text"),
        ({"top_k": 3}, "no effect at temperature 0"),
        ({"max_new_tokens": 0}, "`max_new_tokens`"),
        ({"stream": "yes"}, "`stream` must be True or False"),
    ],
)
def test_errors(model, change, words):
    with pytest.raises(ValueError, match=words):
        model.generate(**{"prompts": "a"} | change)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda model: model.predict_target(["a"]), "`model.generate.prompts.` continues"),
        (lambda model: model.predict_frame(["a"]), "`model.generate.prompts.` continues"),
        (lambda model: setattr(model, "threshold", 0.5), "decided without a threshold"),
        (lambda model: model.evaluate(["a"], ["b"]), "next tokens of its texts. Leave `y` out"),
        (lambda model: model.export("folder"), "sparse_keras.load_model"),
        (lambda model: model.predict(["a" * CONTEXT]), "up to 64 tokens.* Cut it into parts"),
    ],
)
def test_what_a_language_model_lacks(model, call, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words):
        call(model)
    assert not list(tmp_path.iterdir())


def test_parts_that_do_not_fit(model):
    tokenizer = Tokenizer.train(["so many words " * 9] * 10, 320)
    preprocessor = LanguagePreprocessor(tokenizer, 8)
    small = CausalLM(257, 16, model.core.blocks)
    with pytest.raises(ValueError, match=f"{tokenizer.vocabulary_size} tokens.* only 257"):
        TextGenerator(small, preprocessor)
    with pytest.raises(ValueError, match="`core` must be a CausalLM"):
        TextGenerator(keras.Sequential(), preprocessor)
    with pytest.raises(ValueError, match="must be a LanguagePreprocessor"):
        TextGenerator(model.core, None)


class Doubled(Preprocessor):
    task = Binary()

    def is_raw(self, x):
        return False

    def encode(self, x):
        return x

    def get_config(self):
        return {}


def test_preprocessed(model):
    assert type(preprocessed(model.core, model.preprocessor)) is TextGenerator
    other = preprocessed(keras.Sequential([keras.layers.Dense(1)]), Doubled(), 0.3)
    assert type(other) is PreprocessedModel and other.threshold == 0.3
    with pytest.raises(ValueError, match="decided without a threshold"):
        preprocessed(model.core, model.preprocessor, 0.3)


def test_other_ids_before_each_text():
    """Published models begin texts with ids of their own, or with none."""
    tokenizer = Tokenizer.train(["to be or not to be"] * 10, 270)
    ids = tokenizer.encode("to be")
    for begin, expected in ((None, [tokenizer.end_id]), ([], []), ([5, 6], [5, 6])):
        preprocessor = LanguagePreprocessor(tokenizer, 20, begin)
        assert preprocessor.prompt("to be") == [*expected, *ids]
        assert preprocessor.prompt("") == (expected or [tokenizer.end_id])
        again = LanguagePreprocessor.from_config(preprocessor.get_config())
        np.testing.assert_array_equal(again.encode("to be")["token_ids"], [[*expected, *ids]])
