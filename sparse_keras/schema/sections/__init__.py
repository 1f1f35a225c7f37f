"""The sections of a config, one concern a file."""
