"""Attention in NumPy, float64, one query of one head at a time."""

import numpy as np
from keras import ops

from tests.layers.transformer.rotary_reference import rotate


def weights_of(layer):
    """The weights of a layer by the ends of their paths, such as `"query/kernel"`, as float64."""
    found = {}
    for variable in layer.variables:
        path = variable.path.split("/", 1)[-1]
        found[path] = ops.convert_to_numpy(variable.value).astype("float64")
    return found


def randomize(layer, seed=0):
    """Gives each weight random values: biases, scales and sinks start as if they were not there."""
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(0.3, 0.5, size=variable.shape))


def dense(x, weights, name):
    return x @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0.0)


def rms_norm(x, scale, epsilon):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + epsilon) * scale


def sees(t, s, row, causal, window, positions, mask, segment_ids):
    """Whether the token at t of a row sees the one at s."""
    distance = positions[row, t] - positions[row, s]
    return (
        (not causal or s <= t)
        and (window is None or abs(distance) < window)
        and (mask is None or mask[row, s])
        and (segment_ids is None or segment_ids[row, s] == segment_ids[row, t])
    )


def softmax_means(query, key, value, scale, visible, sinks=None):
    """Means of values for `[B, T, H, ...]`; `visible(t, s, row)` is a function."""
    batch, length, heads = query.shape[:3]
    outputs = np.zeros((batch, length, heads, value.shape[-1]))
    for row, t, head in np.ndindex(batch, length, heads):
        shared = head * key.shape[2] // heads
        keys = [s for s in range(length) if visible(t, s, row)]
        if not keys:
            continue
        logits = [scale * query[row, t, head] @ key[row, s, shared] for s in keys]
        total = sum(np.exp(logits)) + (0.0 if sinks is None else np.exp(sinks[head]))
        for s, logit in zip(keys, logits, strict=True):
            outputs[row, t, head] += np.exp(logit) / total * value[row, s, shared]
    return outputs


def grouped_query_attention(
    x,
    weights,
    num_heads,
    num_kv_heads=None,
    head_dim=None,
    rotary=None,
    causal=True,
    sliding_window=None,
    qk_norm=None,
    norm_epsilon=1e-6,
    clip_qkv=None,
    sinks=False,
    scale=None,
    positions=None,
    mask=None,
    segment_ids=None,
    **biases,
):
    """The outputs of a GroupedQueryAttention of these options; `rotary` is a dict of options."""
    x = x if mask is None else np.where(mask[..., None], x, 0.0)
    batch, length, width = x.shape
    head_dim = head_dim or width // num_heads
    positions = np.tile(np.arange(length), (batch, 1)) if positions is None else positions
    projected = {}
    for name in ("query", "key", "value"):
        y = dense(x, weights, name)
        if qk_norm == "all" and name != "value":
            y = rms_norm(y, weights[f"{name}_norm/scale"], norm_epsilon)
        y = y.reshape(batch, length, -1, head_dim)
        if qk_norm == "head" and name != "value":
            y = rms_norm(y, weights[f"{name}_norm/scale"], norm_epsilon)
        if clip_qkv is not None:
            y = np.clip(y, -clip_qkv, clip_qkv)
        if rotary is not None and name != "value":
            y = rotate(y, positions, **rotary)
        projected[name] = y

    def visible(t, s, row):
        return sees(t, s, row, causal, sliding_window, positions, mask, segment_ids)

    means = softmax_means(
        *projected.values(),
        head_dim**-0.5 if scale is None else scale,
        visible,
        weights["sinks"] if sinks else None,
    )
    return dense(means.reshape(batch, length, -1), weights, "output")


def latent_attention(
    x,
    weights,
    num_heads,
    kv_lora_rank,
    qk_nope_head_dim,
    qk_rope_head_dim,
    v_head_dim,
    rotary,
    q_lora_rank=None,
    causal=True,
    norm_epsilon=1e-6,
    scale=None,
    positions=None,
    mask=None,
    segment_ids=None,
):
    """The outputs of a LatentAttention of these options; `rotary` is a dict of options."""
    x = x if mask is None else np.where(mask[..., None], x, 0.0)
    batch, length, _ = x.shape
    positions = np.tile(np.arange(length), (batch, 1)) if positions is None else positions
    if q_lora_rank is None:
        query = dense(x, weights, "query")
    else:
        query = dense(x, weights, "query_down")
        query = rms_norm(query, weights["query_norm/scale"], norm_epsilon)
        query = dense(query, weights, "query_up")
    query = query.reshape(batch, length, num_heads, -1)
    latent = dense(x, weights, "latent_down")
    shared = rotate(latent[:, :, None, kv_lora_rank:], positions, **rotary)
    latent = rms_norm(latent[..., :kv_lora_rank], weights["latent_norm/scale"], norm_epsilon)
    both = dense(latent, weights, "key_value_up").reshape(batch, length, num_heads, -1)
    key, value = both[..., :qk_nope_head_dim], both[..., qk_nope_head_dim:]
    key = np.concatenate([key, np.repeat(shared, num_heads, axis=2)], axis=-1)
    query[..., qk_nope_head_dim:] = rotate(query[..., qk_nope_head_dim:], positions, **rotary)
    if scale is None:
        scale = (qk_nope_head_dim + qk_rope_head_dim) ** -0.5
        if "mscale_all_dim" in rotary:
            scale *= (0.1 * rotary["mscale_all_dim"] * np.log(rotary["factor"]) + 1) ** 2

    def visible(t, s, row):
        return sees(t, s, row, causal, None, positions, mask, segment_ids)

    means = softmax_means(query, key, value, scale, visible)
    return dense(means.reshape(batch, length, -1), weights, "output")
