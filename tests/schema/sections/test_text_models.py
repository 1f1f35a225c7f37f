"""The sections of language models: which keys go together."""

import pytest

from sparse_keras.data import TextInputs
from sparse_keras.schema.sections.text.models import CausalLM
from sparse_keras.tasks import NextToken

GLU = {"type": "glu", "num_experts": 4, "hidden_dim": 8}
SMALL = {"type": "causal_lm", "depth": 2, "width": 8, "num_heads": 2}


def make(**values):
    return CausalLM.model_validate(SMALL | values)


def build(**values):
    return make(**values).build(TextInputs(50, 16), NextToken(vocabulary_size=50))


@pytest.mark.parametrize(
    "rotary",
    [
        {"rope_type": "default"},
        {"rope_type": "linear", "factor": 2.0},
        {
            "rope_type": "llama3",
            "factor": 2.0,
            "original_max_position_embeddings": 8,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
        },
        {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 8},
    ],
    ids=lambda rotary: rotary["rope_type"],
)
def test_rotary_positions(rotary):
    layer = build(experts=GLU, rotary=rotary).blocks[0].attention.rotary
    config = layer.get_config()
    assert {key: config[key] for key in rotary} == rotary
    for key in rotary.keys() - {"rope_type"}:
        with pytest.raises(ValueError, match=f"{key}: is needed by rope_type"):
            make(experts=GLU, rotary={k: v for k, v in rotary.items() if k != key})


def test_the_data_decide_vocabulary_and_context():
    model = build(experts=GLU)
    assert (model.vocabulary_size, model.context_length) == (50, 16)
    assert [block.feed_forward.name for block in model.blocks] == ["mixture", "mixture"]
    mixed = build(experts=GLU, depth=4, every=2, hidden_dim=8)
    names = [block.feed_forward.name for block in mixed.blocks]
    assert names == ["feed_forward", "mixture"] * 2
    assert make(experts=GLU, depth=4, every=2, hidden_dim=8).sparse_blocks == 2
    assert make(hidden_dim=8).sparse_blocks == 0


def test_the_dense_twin_has_the_experts_gate_and_activation():
    for experts, gated in ((GLU, True), (GLU | {"type": "mlp"}, False)):
        section = make(experts=experts, num_kv_heads=1)
        twin = CausalLM.model_validate(section.dense_twin(12))
        assert (twin.experts, twin.hidden_dim, twin.gated) == (None, 12, gated)
        assert twin.activation == section.experts.activation
        assert twin.num_kv_heads == 1
        assert twin.dense_twin(12) is None


@pytest.mark.parametrize(
    "values, message",
    [
        ({}, "hidden_dim: is needed: 2 of 2 blocks are dense"),
        ({"experts": GLU, "every": 2}, "hidden_dim: is needed: 1 of 2"),
        ({"experts": GLU, "hidden_dim": 8}, "hidden_dim: has no effect: all blocks have experts"),
        ({"hidden_dim": 8, "every": 2}, "every: has no effect: experts is null"),
        ({"experts": GLU, "dense_layers": 2, "hidden_dim": 8}, "experts: no block has them"),
        ({"experts": GLU, "dense_layers": [0, 1], "hidden_dim": 8}, "experts: no block has them"),
        ({"experts": GLU, "dense_layers": [0]}, "hidden_dim: is needed: 1 of 2"),
        ({"experts": GLU, "dense_layers": [2]}, "dense_layers: names a block that is not there"),
        (
            {"hidden_dim": 8, "attention": {"type": "grouped_query", "sliding_window": [1, 2, 3]}},
            "attention.sliding_window: has 3 windows, for 2 blocks",
        ),
        ({"experts": GLU, "num_heads": 3}, "num_heads: does not divide width, which is 8"),
        ({"experts": GLU, "num_kv_heads": 3}, "num_kv_heads: does not divide num_heads"),
        ({"experts": GLU, "drop_order": "score"}, "drop_order: has no effect"),
        ({"experts": GLU, "router": {"type": "top_k", "k": 5}}, "router.k: 5 is more than"),
        ({"experts": GLU, "rotary": {"factor": 2.0}}, "factor: has no effect with rope_type"),
    ],
)
def test_keys_that_do_not_go_together(values, message):
    with pytest.raises(ValueError, match=message):
        make(**values)


def test_latent_attention_has_widths_of_its_own():
    latent = {
        "type": "latent",
        "kv_lora_rank": 4,
        "qk_nope_head_dim": 4,
        "qk_rope_head_dim": 2,
        "v_head_dim": 4,
    }
    assert type(build(experts=GLU, attention=latent).blocks[0].attention).__name__ == (
        "LatentAttention"
    )
    with pytest.raises(ValueError, match="head_dim: has no effect: attention is latent"):
        make(experts=GLU, attention=latent, head_dim=4)


def test_data_of_another_kind():
    from sparse_keras.data import TableInputs
    from sparse_keras.schema.sections.tabular.models import DenseMLP

    with pytest.raises(ValueError, match="'causal_lm' reads texts. Received data of another kind"):
        make(experts=GLU).build(TableInputs(numeric_dim=3), None)
    table = DenseMLP.model_validate({"type": "dense_mlp", "hidden_dim": 3})
    with pytest.raises(ValueError, match="a model of tables. Received texts"):
        table.build(TextInputs(50, 16), None)
