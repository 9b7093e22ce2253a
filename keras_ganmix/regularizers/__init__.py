"""Regularizers: one file per method, each a Keras layer that cites its paper.

Pass them to `keras_ganmix.GAN(regularizers=[...])`.
"""

from keras_ganmix.regularizers.adaptive_augment import AdaptiveAugment
from keras_ganmix.regularizers.adaptive_mix import AdaptiveMix
from keras_ganmix.regularizers.base import Regularizer, Weight
from keras_ganmix.regularizers.consistency import Consistency
from keras_ganmix.regularizers.dag import DAG
from keras_ganmix.regularizers.deshuffle import Deshuffle
from keras_ganmix.regularizers.diff_augment import DiffAugment
from keras_ganmix.regularizers.diversity_penalty import DiversityPenalty
from keras_ganmix.regularizers.gdpp import GDPP
from keras_ganmix.regularizers.gradient_penalty import GradientPenalty
from keras_ganmix.regularizers.lecam import LeCam
from keras_ganmix.regularizers.mode_seeking import ModeSeeking
from keras_ganmix.regularizers.r1_r2 import R1, R2
from keras_ganmix.regularizers.rotation import Rotation
from keras_ganmix.regularizers.sample_mixing import SampleMixing
from keras_ganmix.regularizers.self_supervision import SelfSupervision

__all__ = [
    "DAG",
    "GDPP",
    "R1",
    "R2",
    "AdaptiveAugment",
    "AdaptiveMix",
    "Consistency",
    "Deshuffle",
    "DiffAugment",
    "DiversityPenalty",
    "GradientPenalty",
    "LeCam",
    "ModeSeeking",
    "Regularizer",
    "Rotation",
    "SampleMixing",
    "SelfSupervision",
    "Weight",
]
