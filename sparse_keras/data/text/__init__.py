"""Texts: corpora for language models, and texts with labels."""
