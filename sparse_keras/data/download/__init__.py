"""Downloads of data sets, checked by SHA-256, and the cache that they are in."""
