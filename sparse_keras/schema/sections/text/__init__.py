"""Sections of texts and of models that read them."""
