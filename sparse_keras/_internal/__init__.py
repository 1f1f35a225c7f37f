"""Helpers that are not part of the public interface. They import nothing else of this package."""
