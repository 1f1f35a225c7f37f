"""Layers of Transformers: rotary positions, attention, feed-forwards, and the block around them."""
