"""Small language models and streams of tokens for the tests."""

import numpy as np

from sparse_keras.data import LanguagePreprocessor, TokenBatches, Tokenizer
from sparse_keras.models import TextGenerator, causal_lm
from tests.plugins.verses import VERSES

LENGTH = 16
TOKENIZER = Tokenizer.train(VERSES, 280)
SOURCES = ["<b>first</b>" if number % 3 else "second" for number in range(len(VERSES))]


def make_model(depth=4, every=2, num_experts=4, k=2, **options):
    """A language model with random weights. By default, blocks 1 and 3 are sparse."""
    core = causal_lm(
        vocabulary_size=TOKENIZER.vocabulary_size,
        depth=depth,
        every=every,
        width=8,
        num_heads=2,
        hidden_dim=8 if every > 1 else None,
        experts={"type": "glu", "num_experts": num_experts, "hidden_dim": 4},
        router={"type": "top_k", "k": k},
        context_length=LENGTH,
        **options,
    )
    rng = np.random.default_rng(0)
    for variable in core.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(rng.normal(0.0, 0.7, variable.shape))
    return TextGenerator(core, LanguagePreprocessor(TOKENIZER, LENGTH))


def make_batches(sources=SOURCES):
    """Rows of the tokens of verses, of which the last one overlaps the one before it."""
    rows = TOKENIZER.encode_batch(VERSES)
    tokens = np.array([token for row in rows for token in (TOKENIZER.end_id, *row)], "uint16")
    batches = TokenBatches(
        tokens,
        LENGTH,
        TOKENIZER.end_id,
        batch_size=3,
        shuffle=True,
        sources=sources,
    )
    assert len(tokens) % LENGTH
    return batches
