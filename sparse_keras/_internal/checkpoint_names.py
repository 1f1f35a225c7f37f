"""The names of published checkpoints that are downloaded: `data/download/checkpoints.py`."""

SMOLLM2 = "smollm2_135m_instruct"
ALL_MINILM = "all_minilm_l6_v2"
DECODERS, ENCODERS = (SMOLLM2,), (ALL_MINILM,)
CHECKPOINTS = (*DECODERS, *ENCODERS)
