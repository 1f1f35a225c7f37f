"""Models of tables, one family a file."""
