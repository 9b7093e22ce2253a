"""Tiny models and data that all tests share."""

import gc
import os
import shutil

# Two CPU devices for the tests of replicas; before TensorFlow is used.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_ganmix as kgm

# Many small models are traced here; TensorFlow warns of it.
tf.get_logger().setLevel("ERROR")
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

# Graphs stay for the whole run: it pays not to look through what is imported.
gc.collect()
gc.freeze()

layers = keras.layers


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Nothing is taken from the user's cache, and nothing left there."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("KERAS_GANMIX_CACHE", str(folder))
        yield


def make_generator(channels=1, num_classes=None, latent_dim=8, size=8):
    latents = keras.Input((latent_dim,))
    x, inputs = latents, latents
    if num_classes:
        labels = keras.Input((), dtype="int32")
        embedded = layers.Embedding(num_classes, latent_dim)(labels)
        x, inputs = layers.Multiply()([latents, embedded]), [latents, labels]
    side = size // 2
    x = layers.Dense(side * side * 4, activation="relu")(x)
    x = layers.Reshape((side, side, 4))(x)
    x = layers.Conv2DTranspose(channels, 4, 2, "same")(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def make_discriminator(channels=1, num_classes=None, size=8):
    """Convolution, leaky ReLU, sum pooling, dense; projected labels."""
    images = keras.Input((size, size, channels))
    x = layers.Conv2D(6, 4, 2, "same")(images)
    x = layers.LeakyReLU(0.2, name="trunk_end")(x)
    x = layers.GlobalAveragePooling2D()(x)
    logits, inputs = layers.Dense(1, dtype="float32")(x), images
    if num_classes:
        labels = keras.Input((), dtype="int32")
        embedded = layers.Embedding(num_classes, 6)(labels)
        projected = layers.Dot(-1, dtype="float32")([embedded, x])
        logits = layers.Add(dtype="float32")([logits, projected])
        inputs = [images, labels]
    return keras.Model(inputs, logits, name="discriminator")


def make_gan(regularizers=(), loss="logistic", optimizer="sgd", **kwargs):
    """A compiled tiny GAN, 8 x 8; the same initial weights each time.

    Args:
        regularizers: those of the GAN.
        loss: the adversarial loss.
        optimizer: `"sgd"`, whose results can be compared, or `"adam"`.
        **kwargs: `channels`, `jit_compile`, `run_eagerly`, or of `GAN`.
    """
    keras.utils.set_random_seed(0)
    channels = kwargs.pop("channels", 1)
    compiling = {
        key: kwargs.pop(key)
        for key in ("jit_compile", "run_eagerly", "steps_per_execution")
        if key in kwargs
    }
    classes = kwargs.get("num_classes")
    gan = kgm.GAN(
        make_generator(channels, classes),
        make_discriminator(channels, classes),
        regularizers,
        **kwargs,
    )

    def make():
        if optimizer == "sgd":
            return keras.optimizers.SGD(0.05)
        return keras.optimizers.Adam(1e-3, beta_1=0.5)

    gan.compile(
        loss=loss,
        generator_optimizer=make(),
        discriminator_optimizer=make(),
        **compiling,
    )
    return gan


def make_images(n=32, channels=1, size=8, seed=0):
    numbers = np.random.default_rng(seed)
    return numbers.uniform(-1, 1, (n, size, size, channels)).astype("float32")


def make_dataset(
    n=32, batch=8, channels=1, size=8, num_classes=None, repeat=True
):
    """Batches of random images (and labels), the same at each call."""
    data = make_images(n, channels, size)
    if num_classes:
        labels = (np.arange(n) % num_classes).astype("int32")
        data = (data, labels)
    dataset = tf.data.Dataset.from_tensor_slices(data)
    dataset = dataset.batch(batch, drop_remainder=True)
    return dataset.repeat() if repeat else dataset


def make_strategy():
    """Two replicas on this machine's processor."""
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


@pytest.fixture(scope="session")
def tiny():
    """The makers above, as attributes."""

    class Tiny:
        generator = staticmethod(make_generator)
        discriminator = staticmethod(make_discriminator)
        gan = staticmethod(make_gan)
        images = staticmethod(make_images)
        dataset = staticmethod(make_dataset)
        strategy = staticmethod(make_strategy)

    return Tiny


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """The folder of a conditional run on pictures that are no longer there.

    Two steps, 16 x 16, grey, classes `hat` and `sock`, a best checkpoint.
    """
    from keras_ganmix import train

    place = tmp_path_factory.mktemp("run")
    numbers = np.random.default_rng(0)
    for part in ("train/hat", "train/sock", "test/hat", "test/sock"):
        (place / "photos" / part).mkdir(parents=True)
        for i in range(12):
            pixels = numbers.integers(0, 256, (16, 16)).astype(np.uint8)
            picture = Image.fromarray(pixels)
            picture.save(place / "photos" / part / f"{i}.png")
    settings = [
        f"data.source=folder:{place / 'photos'}",
        "data.image_size=16",
        "data.batch_size=4",
        "generator={network: dcgan, width: 2, latent_dim: 6}",
        "generator.conditional=true",
        "discriminator={network: dcgan, width: 2}",
        "evaluate={every: 1, num_fake: 8, max_share: null, "
        "metrics: [sliced_wasserstein]}",
        "samples=null",
        # So that latents and classes show in the pictures.
        "optimizer.generator.learning_rate=0.1",
    ]
    arguments = [f"--set={setting}" for setting in settings]
    arguments += ["--steps=2", "--quiet", f"--run_dir={place / 'tiny'}"]
    assert train.main(["train", "--recipe=quickstart", *arguments]) == 0
    shutil.rmtree(place / "photos")
    return place / "tiny"
