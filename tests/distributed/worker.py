"""The train command, sending itself a signal after a step.

Arguments: the number of the signal, the step, those of the command.
"""

import os
import sys

from keras_ganmix import train
from keras_ganmix.utils import cli

with cli.without_startup_noise():
    import keras

    from keras_ganmix import building


class Send(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == STEP:
            os.kill(os.getpid(), SIGNAL)


SIGNAL, STEP = int(sys.argv[1]), int(sys.argv[2])
building.build_schedule = lambda recipe: [Send()]
sys.exit(train.main(["train", *sys.argv[3:]]))
