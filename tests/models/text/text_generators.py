"""Text generators for tests, of which is known what they write."""

import numpy as np

from sparse_keras.data import LanguagePreprocessor, Tokenizer
from sparse_keras.models import TextGenerator, causal_lm

CONTEXT = 64


def make_random(**options):
    """A mixture with random weights."""
    tokenizer = Tokenizer.train(["to be or not to be, that is the question"] * 10, 300)
    core = causal_lm(
        vocabulary_size=tokenizer.vocabulary_size,
        depth=1,
        width=16,
        num_heads=2,
        experts={"type": "glu", "num_experts": 4, "hidden_dim": 8},
        router={"type": "top_k", "k": 2, "balance_loss": 0.01},
        tie_embeddings=False,
        context_length=CONTEXT,
        **options,
    )
    rng = np.random.default_rng(1)
    for variable in core.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(rng.normal(0.0, 0.5, size=variable.shape))
    return TextGenerator(core, LanguagePreprocessor(tokenizer, CONTEXT))


def make_reciter(text, ends=True):
    """A model that knows one text, in which each byte occurs once: after each it writes the next.

    At the end it ends the text, or else begins again. Each token is a byte.
    """
    tokenizer = Tokenizer.train([], 257)
    order = tokenizer.encode(text)
    assert len(set(order)) == len(order)
    core = causal_lm(
        vocabulary_size=257,
        depth=1,
        width=32,
        num_heads=1,
        hidden_dim=1,
        tie_embeddings=False,
        context_length=CONTEXT,
    )
    for variable in core.blocks[0].trainable_variables:
        if "norm" not in variable.path:
            variable.assign(np.zeros(variable.shape))
    # The logit of a token is the product of the embeddings of the last one and of that before it.
    embeddings = np.random.default_rng(0).choice([-1.0, 1.0], size=(257, 32))
    head = np.zeros((32, 257))
    before, after = [tokenizer.end_id, *order], [*order, tokenizer.end_id if ends else order[0]]
    head[:, after] = embeddings[before].T
    if not ends:
        head[:, order[0]] += embeddings[order[-1]]
        head[:, tokenizer.end_id] = 0.0
    core.token_embedding.embeddings.assign(embeddings)
    core.token_embedding.reverse_embeddings.assign(head)
    return TextGenerator(core, LanguagePreprocessor(tokenizer, CONTEXT))
