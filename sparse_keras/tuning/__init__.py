"""Fine-tuning of models with experts: LoRA, adapter files, and freezing by role."""

from sparse_keras._internal.roles import ROLES
from sparse_keras.tuning.adapters import load_lora, save_lora
from sparse_keras.tuning.freezing import freeze, train_only
from sparse_keras.tuning.lora import enable_lora, merge_lora
from sparse_keras.tuning.roles import roles_of

__all__ = [
    "ROLES",
    "enable_lora",
    "freeze",
    "load_lora",
    "merge_lora",
    "roles_of",
    "save_lora",
    "train_only",
]
