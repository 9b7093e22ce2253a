"""What `python -m keras_ganmix.generate` is made of."""
