"""What can end a run that has begun."""

import keras
import tensorflow as tf

from keras_ganmix.cluster import PeerError
from keras_ganmix.faults import NotFiniteError
from keras_ganmix.state import CheckpointError

#: What can befall a run that has begun, and is said in a line.
FAILURES = (
    NotFiniteError,
    CheckpointError,
    PeerError,
    tf.errors.ResourceExhaustedError,
    OSError,
)


class StillThere(keras.callbacks.Callback):
    """Ends a run whose folder is lost, before anything is written to it.

    Args:
        folder: the `RunFolder`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_train_batch_end(self, batch, logs=None):
        self.folder.check_there()
