"""Model builders, one family a file."""
