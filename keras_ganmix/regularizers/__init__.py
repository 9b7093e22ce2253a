"""Regularizers: one file per method, each a Keras layer that cites its paper.

Pass them to `keras_ganmix.GAN(regularizers=[...])`.
"""

from keras_ganmix.regularizers.base import Regularizer, Weight

__all__ = ["Regularizer", "Weight"]
