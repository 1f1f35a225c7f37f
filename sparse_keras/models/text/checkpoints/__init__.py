"""Published checkpoints, in and out."""

from sparse_keras.models.text.checkpoints.for_training import load_for_training
from sparse_keras.models.text.checkpoints.load import load_pretrained
from sparse_keras.models.text.checkpoints.save import save_pretrained

__all__ = ["load_for_training", "load_pretrained", "save_pretrained"]
