"""Callbacks for `model.fit()`: pictures, scores, schedules, checkpoints."""

from keras_ganmix.callbacks.angles import GradientAngles
from keras_ganmix.callbacks.base import StepCallback
from keras_ganmix.callbacks.checkpoint import Checkpoint
from keras_ganmix.callbacks.evaluate import Evaluate
from keras_ganmix.callbacks.interrupt import StopOnSignal
from keras_ganmix.callbacks.logs import MetricsLog
from keras_ganmix.callbacks.profile import Profile
from keras_ganmix.callbacks.progress import Progress
from keras_ganmix.callbacks.samples import Samples
from keras_ganmix.callbacks.saturation import Saturation
from keras_ganmix.callbacks.schedules import LinearDecay
from keras_ganmix.faults import NotFiniteError

__all__ = [
    "Checkpoint",
    "Evaluate",
    "GradientAngles",
    "LinearDecay",
    "MetricsLog",
    "NotFiniteError",
    "Profile",
    "Progress",
    "Samples",
    "Saturation",
    "StepCallback",
    "StopOnSignal",
]
