"""The sections of tables: their data sets, columns and models."""
