"""Random cases, of which SPARSE_KERAS_FUZZ says how many."""
