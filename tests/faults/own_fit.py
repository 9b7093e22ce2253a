"""`fit` on a data set of its own, saved at the ends of epochs."""

import argparse
import os
import signal
from pathlib import Path

EPOCHS = 5


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--run_dir", type=Path)
    parser.add_argument("--die_at_end_of", type=int)
    args = parser.parse_args(argv[1:])
    train(args.run_dir, args.die_at_end_of)
    return 0


def train(folder, die_at):
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_ganmix as kgm
    from keras_ganmix import callbacks

    class Die(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    keras.utils.set_random_seed(0)
    gan = kgm.GAN(
        kgm.networks.build(
            "generator", "mlp", image_shape=(2,), latent_dim=4, hidden=8
        ),
        kgm.networks.build("discriminator", "mlp", image_shape=(2,), hidden=8),
        [kgm.regularizers.LeCam()],
    )
    gan.compile(
        loss="hinge",
        generator_optimizer=keras.optimizers.Adam(1e-3, 0.5),
        discriminator_optimizer=keras.optimizers.Adam(1e-3, 0.5),
    )
    points = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    gan.fit(
        tf.data.Dataset.from_tensor_slices(points).batch(8),
        epochs=EPOCHS,
        callbacks=[
            callbacks.LinearDecay(8, 40, 0.1),
            callbacks.MetricsLog(folder / "metrics.jsonl"),
            callbacks.Samples(folder / "samples", count=4),
            Die(),
            callbacks.Checkpoint(folder / "checkpoints"),
        ],
        verbose=0,
    )
