"""Layers in which routers send tokens to experts."""
