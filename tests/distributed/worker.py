"""The train command, with something that befalls it after a step.

Arguments: the number of the signal that it sends itself, or "fails" for a
full disk, or nothing; the step; those of the command.
"""

import errno
import os
import sys

from keras_ganmix import train
from keras_ganmix.utils import cli

with cli.without_startup_noise():
    import keras

    from keras_ganmix import building

WHAT, STEP = sys.argv[1], int(sys.argv[2])


class Befall(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) != STEP:
            return
        if WHAT == "fails":
            raise OSError(errno.ENOSPC, "No space, éèà", "a file")
        os.kill(os.getpid(), int(WHAT))


building.build_schedule = lambda recipe: [Befall()]
sys.exit(train.main(["train", *sys.argv[3:]]))
