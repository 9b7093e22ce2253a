"""Sweeps: a matrix of recipes and seeds. Imports no TensorFlow."""
