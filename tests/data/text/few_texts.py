"""A few labelled texts of which the words tell the class, and their config."""

import numpy as np

import sparse_keras

WORDS = {
    "animals": "cat dog horse cow sheep mouse".split(),
    "colours": "red green blue white black yellow".split(),
    "numbers": "one two three four five six".split(),
}


def texts_of(classes=("animals", "colours", "numbers"), count=60, seed=0, longest=12):
    """Texts of 1 to `longest` words, and their labels."""
    random = np.random.default_rng(seed)
    labels = [classes[number % len(classes)] for number in range(count)]
    texts = [
        " ".join(random.choice(WORDS[label], random.integers(1, longest + 1))) for label in labels
    ]
    return texts, labels


def write(path, texts, labels):
    lines = [f"{text}\t{label}" for text, label in zip(texts, labels, strict=True)]
    path.write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    return path


TOKENS = "vocabulary_size: 300, max_length: 10"


def config_of(path, data="", model="", training="epochs: 1", tokens=TOKENS):
    """A config of a tiny classifier of the texts of a file."""
    file = path.with_suffix(".yaml")
    file.write_text(
        f"""
version: 1
description: A tiny classifier.
data: {{type: labelled_texts, path: {path.name}, {tokens}{data}}}
model:
  type: text_classifier
  depth: 1
  width: 16
  num_heads: 2
  experts: {{type: glu, num_experts: 4, hidden_dim: 8}}
  router: {{type: top_k, k: 2}}
  average_embeddings: true
  {model}
optimizer: {{type: adam, learning_rate: 0.02}}
training: {{batch_size: 8, {training}}}
""",
        encoding="utf-8",
    )
    return sparse_keras.load_config(str(file))
