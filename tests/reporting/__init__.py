"""Tests of `sparse_keras.reporting`."""
