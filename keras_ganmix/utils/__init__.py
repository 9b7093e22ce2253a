"""Helpers that import neither TensorFlow nor Keras."""
