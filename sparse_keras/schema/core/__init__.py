"""What every section of a config is made of, and how mistakes in one are reported."""
