"""Small classifiers that are trained to measure something.

A probe is trained afresh for each score, from seeded initial weights and in a
seeded order, so that the score is a pure function of its arguments on one
machine.
"""

import keras
import numpy as np
from keras import layers


def build(image_shape, classes, seed=0, width=32):
    """A small convolutional classifier.

    Args:
        image_shape: (H, W, C).
        classes: number of logits.
        seed: of the initial weights.
        width: channels of the first layer; doubled at each halving.

    Returns:
        Functional model from images in [-1, 1] to logits (B, classes).
    """
    x = images = keras.Input(image_shape)
    side = min(image_shape[:2])
    stage = 0
    while stage < 3 or side >= 8:
        x = layers.Conv2D(
            min(width * 2**stage, 128),
            3,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(seed=seed + stage),
        )(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        if side >= 8:
            x = layers.MaxPooling2D(2)(x)
        side //= 2
        stage += 1
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(
        classes,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 99),
    )(x)
    return keras.Model(images, x)


def train(model, batches, steps, learning_rate=2e-3):
    """Trains a classifier with cross-entropy and a cosine schedule.

    Args:
        model: from images to logits.
        batches: function of a step to `(images, labels)`, labels int (B,).
        steps: number of batches.
        learning_rate: at the start; it falls to 0.
    """
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    for step in range(steps):
        model.train_on_batch(*batches(step))


def classify(model, images, batch_size=256):
    """Class numbers (N,) of images."""
    if not len(images):
        return np.zeros(0, np.int64)
    logits = model.predict(images, batch_size=batch_size, verbose=0)
    return logits.argmax(axis=1)
