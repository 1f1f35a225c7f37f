"""A plug-in with a small corpus, and a run of a language model on it."""

import hashlib
from typing import Literal

from pydantic import Field

from sparse_keras.data import Corpus
from sparse_keras.schema.plugins import register_dataset
from sparse_keras.schema.sections.text.texts import CorpusSection

WORDS = ("to be", "or not", "存在", "🙂", "that is", "the question")
VERSES = [f"{a} {b}, {c}.\n" for a in WORDS for b in WORDS for c in WORDS[:2]]
CONFIG = """\
version: 1
data: {type: verses, vocabulary_size: 300, context_length: 32}
model:
  type: causal_lm
  depth: 1
  width: 16
  num_heads: 2
  experts: {type: glu, num_experts: 4, hidden_dim: 8}
  router: {type: top_k, k: 2, balance_loss: 0.01}
  dropout: 0.1
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 2, batch_size: 16}
"""


class Verses(CorpusSection):
    """Verses."""

    type: Literal["verses"] = Field("verses", description="Verses.")


def read(section: Verses) -> Corpus:
    digest = hashlib.sha256("".join(VERSES).encode()).hexdigest()
    return Corpus(
        "verses",
        lambda: iter(VERSES),
        digest,
        held_out="documents",
        sources=lambda: (verse.split()[0] for verse in VERSES),
    )


register_dataset(Verses, read)
