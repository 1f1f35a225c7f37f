"""Mixtures of experts made smaller."""
