"""Who is measured: a kind of layer under a setting of a framework."""

import dataclasses
import fnmatch
import importlib.util

SETTINGS = {
    "tensorflow": "TensorFlow",
    "tensorflow_xla": "TensorFlow, XLA",
    "jax": "JAX",
    "torch": "PyTorch",
}
KINDS = {
    "ours": "MixtureOfExperts",
    "dense": "dense layer of the active width",
    "all_experts": "all experts, weighted by the gates",
    "keras_hub_qwen3_moe": "KerasHub, Qwen3-MoE block",
    "keras_hub_mixtral": "KerasHub, Mixtral block",
    "huggingface_eager": "Transformers, Qwen3-MoE block, eager",
    "huggingface_grouped_mm": "Transformers, Qwen3-MoE block, grouped_mm",
}


@dataclasses.dataclass(frozen=True)
class Subject:
    """A kind of layer under a setting. Its name is `kind/setting`."""

    kind: str
    setting: str
    packages: tuple = ()

    @property
    def name(self):
        return f"{self.kind}/{self.setting}"

    @property
    def label(self):
        return f"{KINDS[self.kind]}, {SETTINGS[self.setting]}"

    @property
    def backend(self):
        return self.setting.removesuffix("_xla")

    @property
    def xla(self):
        return self.setting.endswith("_xla")

    @property
    def modes(self):
        if self.kind.startswith("huggingface"):
            return ("inference", "gradient", "memory")  # It is no Keras layer.
        if self.name == "ours/tensorflow":
            return ("inference", "gradient", "fit", "fit_fused", "update", "first", "memory")
        return ("inference", "gradient", "fit", "first", "memory")

    def takes(self, case):
        """Whether the case is for this subject."""
        return any(fnmatch.fnmatch(self.name, pattern) for pattern in case.subjects)

    def missing(self):
        """The packages it needs that are not installed."""
        needed = (self.backend, *self.packages)
        return [name for name in needed if importlib.util.find_spec(name) is None]


SUBJECTS = (
    *(Subject("ours", setting) for setting in SETTINGS),
    *(Subject("dense", setting) for setting in SETTINGS),
    *(Subject("all_experts", setting) for setting in ("tensorflow", "jax", "torch")),
    Subject("keras_hub_qwen3_moe", "tensorflow", ("keras_hub",)),
    Subject("keras_hub_mixtral", "tensorflow", ("keras_hub",)),
    Subject("huggingface_eager", "torch", ("transformers",)),
    Subject("huggingface_grouped_mm", "torch", ("transformers",)),
)


def named(name):
    return next(subject for subject in SUBJECTS if subject.name == name)
