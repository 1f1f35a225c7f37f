"""Hugging Face's Qwen3-MoE block, with the face of a Keras layer. PyTorch only."""

import torch
from transformers.models.qwen3_moe import modeling_qwen3_moe as qwen3_moe

from benchmarks.speed import data


class HuggingFaceBlock(torch.nn.Module):
    """The block alone, outside a model.

    A model would resolve and set `config._experts_implementation`, and would collect the router's
    logits for its balance loss with a hook; here both are done by hand.
    """

    def __init__(self, case, implementation):
        super().__init__()
        self.config = qwen3_moe.Qwen3MoeConfig(
            hidden_size=case.width,
            moe_intermediate_size=case.hidden,
            num_experts=case.experts,
            num_experts_per_tok=case.k,
            norm_topk_prob=True,
        )
        self.config._experts_implementation = implementation
        self.block = qwen3_moe.Qwen3MoeSparseMoeBlock(self.config)
        self.losses = []
        with torch.no_grad():
            for parameter in self.block.parameters():  # Their memory is not even cleared.
                parameter.normal_(std=self.config.initializer_range)
            self.block.gate.weight.copy_(torch.from_numpy(data.router_matrix(case).T))
        self.block.gate.register_forward_hook(self._keep_logits)

    def _keep_logits(self, gate, inputs, outputs):
        self.logits = outputs[0]

    def forward(self, inputs, training=False):
        outputs = self.block(inputs[None])[0]
        self.losses = []
        if training:
            config = self.config
            loss = qwen3_moe.load_balancing_loss_func(
                (self.logits,), config.num_experts, config.num_experts_per_tok
            )
            self.losses.append(config.router_aux_loss_coef * loss)
        return outputs


def build(kind, case):
    """The block of a kind for a case, on the GPU if there is one."""
    torch.manual_seed(0)
    block = HuggingFaceBlock(case, kind.removeprefix("huggingface_"))
    return block.to("cuda" if torch.cuda.is_available() else "cpu")
