"""Models of text, on the ids of tokens: the language model, its builder, and generation."""
