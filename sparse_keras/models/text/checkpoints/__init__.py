"""Published checkpoints, in and out."""

from sparse_keras.models.text.checkpoints.load import load_pretrained
from sparse_keras.models.text.checkpoints.save import save_pretrained

__all__ = ["load_pretrained", "save_pretrained"]
