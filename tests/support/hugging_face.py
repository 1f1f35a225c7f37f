"""The routers of Hugging Face's transformers, which the presets of TopKRouter must equal.

    python -m tests.support.hugging_face

writes what they return for a small case of each preset to
`tests/layers/routers/hugging_face_routers.json`, so that tests need neither transformers nor torch.
It needs both (`pip install -e '.[parity]'`).
"""

import importlib
import json
from pathlib import Path

import numpy as np

from sparse_keras.layers.routers import PRESETS

EXPECTED = Path(__file__).parents[1] / "layers" / "routers" / "hugging_face_routers.json"
# Of each preset: transformers' folder, the class of the router and of its configuration, and the
# names there of what the preset sets beside k and E.
MODULES = {
    "mixtral": ("mixtral", "MixtralTopKRouter", "MixtralConfig"),
    "qwen2_moe": ("qwen2_moe", "Qwen2MoeTopKRouter", "Qwen2MoeConfig"),
    "qwen3_moe": ("qwen3_moe", "Qwen3MoeTopKRouter", "Qwen3MoeConfig"),
    "olmoe": ("olmoe", "OlmoeTopKRouter", "OlmoeConfig"),
    "deepseek_v2": ("deepseek_v2", "DeepseekV2TopkRouter", "DeepseekV2Config"),
    "deepseek_v3": ("deepseek_v3", "DeepseekV3TopkRouter", "DeepseekV3Config"),
    "gpt_oss": ("gpt_oss", "GptOssTopKRouter", "GptOssConfig"),
    "granite_moe": ("granitemoe", "GraniteMoeTopKRouter", "GraniteMoeConfig"),
    "switch": (
        "switch_transformers",
        "SwitchTransformersTop1Router",
        "SwitchTransformersConfig",
    ),
}
SETTINGS = {
    "deepseek_v2": {"topk_method": "group_limited_greedy"},
    # Room for every token: what is over an expert's capacity is not the router's choice here.
    "switch": {"expert_capacity": 10**6},
}
NAMES = {"num_groups": "n_group", "groups_kept": "topk_group", "scale": "routed_scaling_factor"}


def make_case(preset, experts, tokens=6, width=8, seed=0):
    """Random inputs and weights of a router."""
    rng = np.random.default_rng(seed)
    case = {
        "inputs": rng.normal(size=(tokens, width)),
        "kernel": rng.normal(size=(width, experts)) * 0.5,
    }
    if PRESETS[preset].get("use_bias"):
        case["bias"] = rng.normal(size=experts)
    if PRESETS[preset].get("select_on") == "score_plus_bias":
        case["selection_bias"] = rng.normal(size=experts) * 0.3
    # Few digits, so that a file holds the very same numbers.
    return {name: np.round(values, 3).astype("float32") for name, values in case.items()}


def configuration(preset, experts, width):
    """Transformers' configuration of the model with the preset's values."""
    import transformers

    values = PRESETS[preset]
    _, _, kind = MODULES[preset]
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    settings = {"hidden_size": width, **heads, **SETTINGS.get(preset, {})}
    settings |= {name: values[ours] for ours, name in NAMES.items() if ours in values}
    if values.get("normalize") in (True, False):
        settings["norm_topk_prob"] = values["normalize"]
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    known = getattr(transformers, kind)()
    settings |= {name: experts for name in names if hasattr(known, name)}
    if preset != "switch":
        settings["num_experts_per_tok"] = values["k"]
    settings = {name: value for name, value in settings.items() if hasattr(known, name)}
    return getattr(transformers, kind)(**settings)


def route(preset, case):
    """What the module of transformers makes of a case: `expert_index` and `weight`, `[N, K]`."""
    import torch

    width, experts = case["kernel"].shape
    folder, router, _ = MODULES[preset]
    module = importlib.import_module(f"transformers.models.{folder}.modeling_{folder}")
    router = getattr(module, router)(configuration(preset, experts, width)).eval().float()
    layer = getattr(router, "classifier", router)
    values = {
        "weight": case["kernel"].T,
        "bias": case.get("bias"),
        "e_score_correction_bias": case.get("selection_bias"),
    }
    with torch.no_grad():
        for name, value in values.items():
            if value is not None:
                getattr(layer, name).copy_(torch.from_numpy(value))
        inputs = torch.from_numpy(case["inputs"].copy())
        if preset == "switch":  # Its capacity is one of each sequence.
            one_hot, weight, _ = router(inputs[None])
            index = one_hot.argmax(dim=-1, keepdim=True)
        else:
            _, weight, index = router(inputs)
    tokens = len(case["inputs"])
    return index.reshape(tokens, -1).numpy(), weight.reshape(tokens, -1).numpy()


def in_order(index, weight):
    """A routing with the experts of each token in the order of their numbers."""
    order = np.argsort(index, axis=1)
    return np.take_along_axis(index, order, axis=1), np.take_along_axis(weight, order, axis=1)


def write():
    found = {}
    for preset in MODULES:
        case = make_case(preset, experts=16)
        index, weight = in_order(*route(preset, case))
        found[preset] = {name: short(values, 3) for name, values in case.items()}
        found[preset] |= {"expert_index": index.tolist(), "weight": short(weight, 8)}
    lines = (f"{json.dumps(preset)}: {json.dumps(case)}" for preset, case in found.items())
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def short(values, digits):
    return np.round(values.astype("float64"), digits).tolist()


if __name__ == "__main__":
    write()
