"""Published checkpoints of models of texts: loaded, and written for other libraries.

load.py, save.py      the two functions
families.py           the families, with the parts of their `config.json`
config_parts.py       a part: which options some keys say, and the other way round
config_values.py      the values of a config, and which keys nobody read
rotary.py             the part of rotary positions
options.py            the options of a model, as one dict: built from, and read from a model
weights.py            which weights a model with some options has
keys.py               which tensor of a file holds which weights
safetensors_files.py, gguf_files.py, mxfp4.py         formats of files
tokenizer_files.py, gguf_tokenizer.py                 tokenizers in them
for_training.py, classifier_for_training.py           models of configs that start from checkpoints
arrays.py, tensorflow_backend.py                      from files to weights without copies
"""

from sparse_keras.models.text.checkpoints.classifier_for_training import (
    load_classifier_for_training,
)
from sparse_keras.models.text.checkpoints.for_training import load_for_training
from sparse_keras.models.text.checkpoints.load import load_pretrained
from sparse_keras.models.text.checkpoints.save import save_pretrained

__all__ = [
    "load_classifier_for_training",
    "load_for_training",
    "load_pretrained",
    "save_pretrained",
]
