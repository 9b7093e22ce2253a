"""Images that are changed a little so that a classifier errs."""

import tensorflow as tf

from keras_ganmix.classifying.methods import cross_entropy


def loss_gradient(model, images, labels):
    """Gradient of each image's cross-entropy at the image.

    Args:
        model: function of images to logits.
        images: float32 (B, h, w, c).
        labels: int32 (B,).

    Returns:
        float32 tensor of the shape of the images.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = cross_entropy(labels, model(images))
    return tape.gradient(loss, images)


def fgsm(images, gradient, eps):
    """The fast gradient sign method: one step of size `eps` uphill.

    x + eps sign(gradient), cut to what pixels can be. Goodfellow et al. 2015,
    https://arxiv.org/abs/1412.6572. The result is not rounded to whole levels.

    Args:
        images: float32 in [-1, 1].
        gradient: that of the loss at the images.
        eps: largest change of a pixel, in levels of [0, 255].

    Returns:
        float32 tensor of the shape of the images, in [-1, 1].
    """
    moved = images + eps / 127.5 * tf.sign(gradient)
    return tf.clip_by_value(moved, -1.0, 1.0)
