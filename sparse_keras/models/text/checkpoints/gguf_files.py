"""GGUF (placeholder until the next commit)."""


def read(path):
    raise ValueError("GGUF")
