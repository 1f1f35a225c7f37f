"""Generation with caches gives what the model gives without, alone and in a batch."""

import functools
import itertools

import keras
import numpy as np
import pytest

from sparse_keras.layers import HashRouter
from sparse_keras.layers.routers import PRESETS
from sparse_keras.models import CausalLM
from tests.models.text.language_models import KINDS, VOCABULARY, make
from tests.support.gradients import to_numpy
from tests.support.quick import slow_but_for

# Of several lengths; with 20 more tokens, they take more than one run of the compiled loop.
PROMPTS = [[3, 1, 4], [1, 5, 9, 2, 6, 5, 3, 5], [7], [16, 0, 16]]


def varied(kind="dense", **options):
    """A model whose most likely tokens vary, unlike those of tied embeddings that are random."""
    model, rng = make(kind, **{"tie_embeddings": False} | options), np.random.default_rng(1)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(rng.normal(0.0, 0.8, size=variable.shape))
    return model


@functools.cache
def fixed(kind="dense"):
    """The same for the tests that change nothing of it: they compile each of its steps once."""
    return varied(kind)


def most_likely(model, prompt, text):
    """What follows each token of a text by the model without caches, given the tokens before."""
    logits = to_numpy(model(np.array([prompt + text])))[0]
    return logits[len(prompt) - 1 : -1].argmax(-1).tolist()


@pytest.mark.parametrize("kind", slow_but_for(["dense", "mixture", "latent"], KINDS))
def test_greedy_is_the_most_likely_without_caches(kind):
    model = fixed(kind)
    texts = model.generate(PROMPTS, max_new_tokens=20)
    assert len(set(itertools.chain(*texts))) > 4
    for prompt, text in zip(PROMPTS, texts, strict=True):
        assert len(text) == 20
        assert text == most_likely(model, prompt, text)
    if kind in ("dense", "mixture"):
        assert model.generate(PROMPTS[0], max_new_tokens=20) == texts[0]


def check_logits_of_ragged_prompts(model):
    """Padded on the left, then token by token: those of the texts without padding."""
    rng = np.random.default_rng()
    x = rng.integers(1, VOCABULARY, size=(4, 8))
    starts = np.array([0, 2, 4, 1])
    mask = np.arange(5) >= starts[:, None]
    positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    caches = model.make_caches(len(x), 8)
    found, caches = model.call_with_caches(x[:, :5], caches, 0, positions, mask)
    found = [to_numpy(found)]
    for index in (5, 6):
        last = positions[:, -1:] + index - 4
        logits, caches = model.call_with_caches(x[:, index : index + 1], caches, index, last)
        found += [to_numpy(logits)]
    for row, start in enumerate(starts):
        expected = to_numpy(model(x[row : row + 1, start:7]))[0, -3:]
        np.testing.assert_allclose(np.stack(found)[:, row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_ragged_prompts(kind):
    check_logits_of_ragged_prompts(fixed(kind))


# Those that route each token by itself. Of the others, a causal model warns.
ROUTERS_BY_TOKEN = ("cosine", "threshold", "relu", "dense", "uniform", "dselect_k", "hierarchical")


# In the quick run, one of each way in which a router chooses.
QUICK_ROUTERS = ("threshold", "dense", "hierarchical", "deepseek_v3")


@pytest.mark.parametrize("router", slow_but_for(QUICK_ROUTERS, [*ROUTERS_BY_TOKEN, *PRESETS]))
def test_logits_of_every_router(router):
    given = {"type": router} if router in ROUTERS_BY_TOKEN else {"type": "top_k", "preset": router}
    if router == "hierarchical":
        given["num_groups"] = 2
    if router in PRESETS:
        given["k"] = 2
        given |= {"num_groups": 2, "groups_kept": 1} if router.startswith("deepseek") else {}
    check_logits_of_ragged_prompts(varied("mixture", router=given))


@pytest.mark.parametrize(
    "options",
    [
        {"attention": {"qk_norm": "all", "clip_qkv": 0.5}},
        {"attention": {"sinks": True, "scale": 0.7, "sliding_window": 2}},
        {"rotary": {"rope_type": "linear", "factor": 3.0, "partial_rotary_factor": 0.5}},
        {
            "rotary": {
                "rope_type": "yarn",
                "factor": 3.0,
                "original_max_position_embeddings": 4,
                "interleaved": True,
            }
        },
        {"norm": "layer", "norm_placement": "post", "use_bias": True},
        {"embedding_multiplier": 3.0, "residual_multiplier": 0.3, "logits_scaling": 2.0},
    ],
    ids=lambda options: "-".join(options),
)
def test_logits_of_every_option(options):
    check_logits_of_ragged_prompts(varied("dense", **options))


def test_drawn_texts_do_not_depend_on_the_batch():
    model = fixed("mixture")
    options = {"max_new_tokens": 20, "temperature": 1.5, "top_k": 10, "top_p": 0.95, "seed": 5}
    texts = model.generate(PROMPTS, **options)
    assert model.generate(PROMPTS, **options) == texts
    assert model.generate(PROMPTS[::-1], **options) == texts[::-1]
    assert model.generate(PROMPTS[1], **options) == texts[1]
    assert model.generate(PROMPTS, **options | {"seed": 6}) != texts
    # Equal prompts get different texts, the first of them the one that it gets alone.
    again = model.generate([PROMPTS[1], PROMPTS[0], PROMPTS[1], PROMPTS[1]], **options)
    assert again[:2] == [texts[1], texts[0]]
    assert len({tuple(text) for text in again}) == 4


def test_without_a_seed():
    """Texts differ, but after `keras.utils.set_random_seed`."""
    model, found = fixed(), []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        found += [[model.generate([1, 2], 8, temperature=2.0) for _ in range(2)]]
    assert found[0] == found[1] and found[0][0] != found[0][1]


def test_stream():
    model = fixed()
    texts = model.generate(PROMPTS, max_new_tokens=6)
    pieces = list(model.generate(PROMPTS, max_new_tokens=6, stream=True))
    assert [[len(new) for new in piece] for piece in pieces] == [[1] * 4] * 6
    assert [list(itertools.chain(*new)) for new in zip(*pieces, strict=True)] == texts
    single = list(model.generate(PROMPTS[1], max_new_tokens=6, stream=True))
    assert list(itertools.chain(*single)) == texts[1]


def test_stop():
    """Each text ends before the first of these tokens; then no more steps are made."""
    model = fixed()
    texts = model.generate(PROMPTS, max_new_tokens=20)
    stop = [texts[0][3], texts[1][2]]

    def ended(text):
        return list(itertools.takewhile(lambda token: token not in stop, text))

    assert model.generate(PROMPTS, 20, stop=stop) == [ended(text) for text in texts]
    assert model.generate(PROMPTS[0], 20, stop=texts[0][0]) == []
    assert len(list(model.generate(PROMPTS[0], 20, stop=stop, stream=True))) <= 4
    everything = list(range(VOCABULARY))
    assert model.generate(PROMPTS, 20, stop=everything) == [[]] * 4


def test_the_end_of_the_context():
    model = varied("learned positions", context_length=10)
    texts = model.generate(PROMPTS, max_new_tokens=20)
    assert [len(prompt + text) for prompt, text in zip(PROMPTS, texts, strict=True)] == [10] * 4
    for prompt, text in zip(PROMPTS, texts, strict=True):
        assert text == most_likely(model, prompt, text)
    assert model.generate([1] * 10, max_new_tokens=20) == []


@pytest.mark.parametrize("temperature", slow_but_for([0.0], [0.0, 3.0]))
def test_padding_is_no_token(temperature):
    model = fixed()
    likely = model.generate([1, 2], max_new_tokens=1)[0]
    model = varied(padding_id=likely)  # The same weights.
    texts = model.generate([[1, 2]] * 4, max_new_tokens=20, temperature=temperature, seed=0)
    assert all(len(text) == 20 and likely not in text for text in texts)


@pytest.fixture
def traces(monkeypatch):
    """List with an entry for each time that a step is traced."""
    calls, step = [], CausalLM.call_with_caches

    def counted(*args, **kwargs):
        calls.append(args)
        return step(*args, **kwargs)

    monkeypatch.setattr(CausalLM, "call_with_caches", counted)
    return calls


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled")
def test_what_is_compiled_once(traces):
    model = varied("mixture")
    model.generate([[1, 2], [3]], max_new_tokens=9)
    assert len(traces) == 2
    model.generate([list(range(16)), [3, 4]], max_new_tokens=16, stop=[1, 2, 3])
    options = {"temperature": 0.5, "top_k": 3, "top_p": 0.5, "seed": 1, "stop": 4}
    model.generate([[1], [2]], max_new_tokens=3, **options)
    list(model.generate([[1], [2]], max_new_tokens=3, stream=True, temperature=2.0))
    assert len(traces) == 2
    model.generate([list(range(17)), [3]], max_new_tokens=9)
    assert len(traces) == 4


@pytest.mark.tensorflow
@pytest.mark.slow
def test_xla():
    model = varied("mixture")
    options = {"max_new_tokens": 8, "temperature": 1.0, "seed": 1}
    texts = model.generate(PROMPTS, **options)
    assert model.generate(PROMPTS, **options, jit_compile=True) == texts
    list(model.generate(PROMPTS, 20, stream=True, jit_compile=True))


def test_new_weights_are_used():
    model = varied()
    before = model.generate(PROMPTS[0], max_new_tokens=8)
    model.set_weights([-2.0 * weight for weight in model.get_weights()])
    after = model.generate(PROMPTS[0], max_new_tokens=8)
    assert after != before and after == most_likely(model, PROMPTS[0], after)
    model.blocks[0].feed_forward.up.enable_lora(2)
    (*_, added) = model.blocks[0].feed_forward.up.trainable_weights
    added.assign(np.ones(added.shape))
    after = model.generate(PROMPTS[0], max_new_tokens=8)
    assert after == most_likely(model, PROMPTS[0], after)


@pytest.mark.slow
def test_loaded(tmp_path):
    model = fixed("mixture")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    options = {"max_new_tokens": 8, "temperature": 1.0, "seed": 1}
    assert loaded.generate(PROMPTS, **options) == model.generate(PROMPTS, **options)


def test_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = varied("mixture")
    cache = model.make_caches(1, 4)[0]
    assert keras.backend.standardize_dtype(cache["key"].dtype) == "bfloat16"
    assert [len(text) for text in model.generate(PROMPTS, max_new_tokens=5)] == [5] * 4


@pytest.mark.slow
def test_a_router_by_token():
    model = varied("mixture", router=HashRouter(VOCABULARY, k=1))
    for prompt, text in zip(PROMPTS, model.generate(PROMPTS, max_new_tokens=8), strict=True):
        assert text == most_likely(model, prompt, text)


def test_no_statistics():
    model = fixed("mixture")
    model.generate(PROMPTS, max_new_tokens=3)
    assert model.blocks[0].feed_forward.routing_statistics()["assigned"] == 0


def test_arrays():
    model = fixed()
    expected = model.generate([[1, 2], [3, 4]], max_new_tokens=3)
    assert model.generate(np.array([[1, 2], [3, 4]]), max_new_tokens=3) == expected
    assert model.generate(np.array([3, 4]), max_new_tokens=3) == expected[1]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"prompts": []}, "`prompts` is empty"),
        ({"prompts": "text"}, "`prompts` must be a list of token ids.*'text'"),
        ({"prompts": [[1], []]}, "prompt at index 1 is empty"),
        ({"prompts": [[1], 2]}, "must be lists of token ids.*2 at index 1"),
        ({"prompts": [1.5]}, "must be integers. Received: 1.5"),
        ({"prompts": [[1], [2, VOCABULARY]]}, r"vocabulary size, 17. Received: \[17\].* index 1"),
        ({"prompts": [-1]}, r"Received: \[-1\]"),
        ({"prompts": [[1, 2, 0]]}, "id of padding, 0, in the prompt at index 0"),
        ({"prompts": [[1] * 11]}, "context of 'causal_lm' is 10 tokens.*11 tokens at index 0"),
        ({"max_new_tokens": 0}, "`max_new_tokens`"),
        ({"temperature": -1.0}, "`temperature`"),
        ({"top_k": 0, "temperature": 1.0}, "`top_k`"),
        ({"top_p": 0.0, "temperature": 1.0}, "`top_p`"),
        ({"top_k": 3}, "no effect at temperature 0"),
        ({"top_p": 0.5}, "no effect at temperature 0"),
        ({"stop": [3, 17]}, r"Received: \[17\] in `stop`"),
        ({"stop": "."}, "must be integers"),
        ({"seed": 1.5}, "`seed`"),
        ({"stream": 1}, "`stream` must be True or False"),
    ],
)
def test_errors(change, words):
    model = make("dense", False, context_length=10, padding_id=0)
    with pytest.raises(ValueError, match=words):
        model.generate(**{"prompts": [[1]]} | change)
