"""Runs side by side: what `compare` is made of. Needs no TensorFlow."""
