"""The same models in transformers on PyTorch, with the same weights.

The weights are drawn by transformers, saved, and read by KerasHub's own converters.
"""

import json
import pathlib
import tempfile

from benchmarks.keras_hub.models import LENGTH, PROMPT, VOCABULARY, task, token_ids

# The families that KerasHub reads from files of transformers as they are.
CONFIGS = {
    "Qwen3-MoE": ("Qwen3MoeConfig", {"norm_topk_prob": True}),
    "Mixtral": ("MixtralConfig", {}),
    "Qwen-MoE": ("Qwen2MoeConfig", {}),
}


def build(family, sizes):
    """A model of transformers, and the path of its files."""
    import torch
    import transformers

    name, own = CONFIGS[family]
    hidden, experts = sizes["hidden"], sizes["num_experts"]
    config = getattr(transformers, name)(
        vocab_size=VOCABULARY,
        hidden_size=sizes["hidden_dim"],
        num_hidden_layers=sizes["num_layers"],
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=sizes["hidden_dim"] // 4,
        intermediate_size=hidden,
        num_experts_per_tok=sizes["top_k"],
        max_position_embeddings=4 * LENGTH,
        tie_word_embeddings=False,
        **({"num_local_experts": experts} if family == "Mixtral" else {"num_experts": experts}),
        **({} if family == "Mixtral" else {"moe_intermediate_size": hidden}),
        **({"shared_expert_intermediate_size": hidden} if family == "Qwen-MoE" else {}),
        **own,
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    folder = pathlib.Path(tempfile.mkdtemp())
    model.save_pretrained(folder)
    # KerasHub asks for a key by another name than transformers 5 writes.
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    written.setdefault("num_experts", experts)
    (folder / "config.json").write_text(json.dumps(written), encoding="utf-8")
    return model, folder


def task_of(family, folder):
    """The task of KerasHub with the weights of a folder."""
    import keras_hub

    from benchmarks.keras_hub.models import FAMILIES

    cls = getattr(keras_hub.models, f"{FAMILIES[family]}Backbone")
    return task(family, cls.from_preset(str(folder)))


def runs(model):
    """A function without arguments for each mode."""
    import torch

    ids = torch.from_numpy(token_ids()).long()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)

    def gradient_step():
        model.train()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    def predict():
        model.eval()
        with torch.no_grad():
            return model(input_ids=ids).logits

    def generate(known):
        model.eval()
        return model.generate(
            ids[:1, :known],
            attention_mask=torch.ones((1, known), dtype=torch.long),
            max_new_tokens=LENGTH - known,
            min_new_tokens=LENGTH - known,
            do_sample=False,
            pad_token_id=0,
        )

    return {
        "gradient step": gradient_step,
        "predict": predict,
        "prefill": lambda: generate(LENGTH - 1),
        "generate": lambda: generate(PROMPT),
    }
