"""The models of each family, and what is timed of them."""

SIZES = {"num_layers": 2, "hidden_dim": 256, "num_experts": 64, "top_k": 4, "hidden": 512}
QUICK = {"num_layers": 1, "hidden_dim": 32, "num_experts": 8, "top_k": 2, "hidden": 32}
BATCH, LENGTH, PROMPT, VOCABULARY = 8, 128, 16, 1000
MODES = ("gradient step", "predict", "prefill", "generate")
# The prefix of each family's classes in KerasHub.
FAMILIES = {
    "Qwen3-MoE": "Qwen3Moe",
    "Mixtral": "Mixtral",
    "Qwen-MoE": "QwenMoe",
    "Qwen3.5-MoE": "Qwen3_5Moe",
    "GPT-OSS": "GptOss",
    "Gemma 4": "Gemma4",
}


def arguments(family, sizes):
    """The arguments of a family's backbone for these sizes."""
    hidden, width, layers = sizes["hidden"], sizes["hidden_dim"], sizes["num_layers"]
    head = width // 4
    common = {
        "vocabulary_size": VOCABULARY,
        "num_layers": layers,
        "num_query_heads": 4,
        "num_key_value_heads": 2,
        "hidden_dim": width,
        "num_experts": sizes["num_experts"],
    }
    experts = {"top_k": sizes["top_k"], "moe_intermediate_dim": hidden}
    own = {
        "Mixtral": {"top_k": sizes["top_k"], "intermediate_dim": hidden},
        "GPT-OSS": {"top_k": sizes["top_k"], "intermediate_dim": hidden},
        "Qwen3-MoE": {
            **experts,
            "intermediate_dim": hidden,
            "norm_top_k_prob": True,
            "head_dim": head,  # Without it, KerasHub cannot generate.
        },
        "Qwen-MoE": {
            **experts,
            "intermediate_dim": hidden,
            "shared_expert_intermediate_dim": hidden,
        },
        "Qwen3.5-MoE": {
            **experts,
            "head_dim": head,
            "shared_expert_intermediate_size": hidden,
            "layer_types": (["linear_attention", "full_attention"] * layers)[:layers],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": head,
            "linear_value_head_dim": head,
        },
        "Gemma 4": {
            "image_size": 16,
            "intermediate_dim": hidden,
            "head_dim": head,
            "enable_moe_block": True,
            "expert_intermediate_dim": hidden,
            "num_experts_per_token": sizes["top_k"],
            "sliding_window_pattern": 2,
        },
    }
    return {**common, **own[family]}


def task(family, backbone):
    """A task that is compiled for training and for greedy search."""
    import keras
    import keras_hub

    cls = getattr(keras_hub.models, f"{FAMILIES[family]}CausalLM")
    model = cls(backbone=backbone, preprocessor=None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3), loss, sampler="greedy")
    return model


def build(family, sizes):
    """A task of random weights, the same at each call."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(0)
    cls = getattr(keras_hub.models, f"{FAMILIES[family]}Backbone")
    return task(family, cls(**arguments(family, sizes)))


def token_ids():
    import numpy as np

    return np.random.default_rng(0).integers(1, VOCABULARY, (BATCH, LENGTH)).astype("int32")


def runs(family, model):
    """A function without arguments for each mode of a task of KerasHub."""
    import numpy as np

    ids = token_ids()
    x = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    if family == "Gemma 4":
        x["position_ids"] = np.tile(np.arange(LENGTH, dtype="int32"), (BATCH, 1))
    y = np.roll(ids, -1, axis=1)

    def generate(known):
        is_known = np.arange(LENGTH) < known
        prompt = {
            "token_ids": np.where(is_known, ids[:1], 0),
            "padding_mask": is_known[None].astype("int32"),
        }
        return model.generate(prompt, stop_token_ids=None)["token_ids"]

    return {
        "gradient step": lambda: model.train_on_batch(x, y),
        "predict": lambda: model.predict_on_batch(x),
        "prefill": lambda: generate(LENGTH - 1),
        "generate": lambda: generate(PROMPT),
    }
