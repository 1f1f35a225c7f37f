"""What every section of a config is made of, and how errors in a config are reported."""
