"""What of a model trains, as the `training` section of a config says."""

import keras

from sparse_keras import tuning
from sparse_keras.schema.sections.training import TrainingConfig


def tune(model: keras.Model, training: TrainingConfig) -> None:
    """Freezes layers of a new model, and gives it LoRA, as `training` says.

    Args:
        model: A built, uncompiled model.
        training: The validated `training` section: its `freeze`, `train_only` and `lora` count.

    Raises:
        ValueError: If the model has no layers with a role that is named. It says which it has.
    """
    try:
        if training.lora is not None:
            tuning.enable_lora(
                model,
                training.lora.rank,
                training.lora.alpha,
                roles=training.lora.roles,
                train=training.train_only or (),
            )
        elif training.train_only is not None:
            tuning.train_only(model, training.train_only)
        elif training.freeze is not None:
            tuning.freeze(model, training.freeze)
    except (ValueError, NotImplementedError) as error:
        keys = [key for key in ("lora", "train_only", "freeze") if getattr(training, key)]
        raise ValueError(f"training.{' and training.'.join(keys)}: {error}") from error
