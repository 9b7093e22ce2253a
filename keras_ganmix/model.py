"""What a GAN has beside its algorithm: models, optimizers, pictures, saving."""

import functools

import keras
import tensorflow as tf

from keras_ganmix import losses
from keras_ganmix.checks import (
    check_arguments,
    check_composition,
    check_data,
    check_owner,
    check_packing,
    connect,
    example_images,
    example_inputs,
    take_over,
)
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.faults import Faults
from keras_ganmix.means import LoggedMeans
from keras_ganmix.ops.pixels import to_uint8
from keras_ganmix.regularizers.base import Regularizer
from keras_ganmix.sampling import sample
from keras_ganmix.utils.models import copy_of_model
from keras_ganmix.workers import Workers


class AdversarialModel(LoggedMeans, keras.Model):
    """A generator and a discriminator that are trained together.

    The arguments are those of `GAN`.
    """

    def __init__(
        self,
        generator,
        discriminator,
        regularizers=(),
        *,
        discriminator_steps=1,
        accumulate=1,
        ema_momentum=0.999,
        latent_distribution="normal",
        num_classes=None,
        latent_dim=None,
        feature_layer=None,
        seed=0,
        name="gan",
    ):
        super().__init__(name=name)
        check_arguments(
            discriminator_steps, accumulate, ema_momentum, latent_distribution
        )
        self.generator = generator
        self.discriminator = discriminator
        self.discriminator_steps = discriminator_steps
        self.accumulate = accumulate
        self.ema_momentum = ema_momentum
        self.latent_distribution = latent_distribution
        self.num_classes = num_classes
        self.feature_layer = feature_layer
        self.seed = seed
        self.latent_dim = _latent_dim(generator, latent_dim)
        self.has_labels = num_classes is not None
        self.image_shape = connect(self)
        self.view = DiscriminatorView(
            discriminator, feature_layer, example_images(self)
        )
        self.regularizers = sorted(regularizers, key=lambda r: r.name)
        self._set_up_regularizers()
        self.ema_generator = None
        if ema_momentum is not None:
            self.ema_generator = copy_of_model(generator, example_inputs(self))
            self.ema_generator.trainable = False
        self.step = self._counter("step")
        # A run that is tried again after a fault continues with other numbers.
        self.retry = self._counter("retry")
        self._terms = self._make_trackers()
        gradients = ["discriminator_gradients", "generator_gradients"]
        # What comes first in the step is the likelier cause.
        names = [*self._terms, *gradients]
        names.sort(key=lambda name: name.startswith("generator"))
        self.faults = Faults(names)
        take_over(self.regularizers)
        self.built = True

    def _set_up_regularizers(self):
        check_composition(self.regularizers)
        check_packing(self.discriminator, self._active)
        for regularizer in self.regularizers:
            if regularizer.needs_features:
                self.view.require_features(regularizer.name)
            check_owner(regularizer)
            if not regularizer.built:
                regularizer.build(
                    image_shape=self.image_shape,
                    feature_shape=self.view.feature_shape,
                    latent_dim=self.latent_dim,
                    num_classes=self.num_classes,
                )

    @property
    def _active(self):
        return [r for r in self.regularizers if not r.is_inert]

    @property
    def _judging(self):
        """Who computes the adversarial losses: a regularizer, or the plain."""
        replacing = [r for r in self._active if r.replaces_judging]
        return replacing[0] if replacing else Regularizer()

    def _counter(self, name):
        return self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def _make_trackers(self):
        names = ["discriminator_loss", "generator_loss"]
        names += ["real_logits", "fake_logits"]
        if self._active:
            names += ["discriminator/adversarial", "generator/adversarial"]
        for regularizer in self._active:
            if not regularizer.discriminator_weight.is_zero:
                names.append(f"discriminator/{regularizer.name}")
            if not regularizer.generator_weight.is_zero:
                names.append(f"generator/{regularizer.name}")
            names += [f"{regularizer.name}/{r}" for r in regularizer.reports]
        return {name: keras.metrics.Mean(name=name) for name in names}

    @property
    def metrics(self):
        return list(self._terms.values())

    @property
    def sampler(self):
        """The generator that makes pictures: the average, if there is one."""
        return self.ema_generator or self.generator

    @property
    def discriminator_variables(self):
        """What the discriminator's optimizer trains, heads included."""
        variables = list(self.discriminator.trainable_variables)
        for regularizer in self._active:
            variables += regularizer.trainable_variables
        return variables

    def compile(
        self,
        loss="logistic",
        generator_optimizer=None,
        discriminator_optimizer=None,
        jit_compile="auto",
        **kwargs,
    ):
        """Configures training.

        Args:
            loss: name of an adversarial loss or a `losses.AdversarialLoss`.
            generator_optimizer: Keras optimizer, its name or config; by
                default Adam(2e-4, beta_1=0.5), as in Radford et al. 2016.
            discriminator_optimizer: the same for the discriminator.
            jit_compile: whether to compile the step with XLA; `"auto"` does
                on a single GPU and not on CPUs, where it was measured to be
                no faster.
            **kwargs: `run_eagerly`, `steps_per_execution`.

        The rates that the optimizers have here, of the generator and of the
        discriminator, stay in `learning_rates`.
        """
        arguments = {"jit_compile": jit_compile, **kwargs}
        if jit_compile == "auto":
            jit_compile = (
                bool(tf.config.list_physical_devices("GPU"))
                and self._replicas == 1
            )
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)
        self.adversarial_loss = losses.get(loss)
        for regularizer in self._active:
            regularizer.check(self.adversarial_loss)
        self.generator_optimizer = _optimizer(
            generator_optimizer, self.generator
        )
        self.discriminator_optimizer = _optimizer(
            discriminator_optimizer, self.discriminator
        )
        first, second = self.inner_optimizers
        if first is second:
            raise ValueError(
                "generator_optimizer and discriminator_optimizer are the same "
                "object; each needs its own."
            )
        for optimizer, variables in (
            (self.generator_optimizer, self.generator.trainable_variables),
            (self.discriminator_optimizer, self.discriminator_variables),
        ):
            if not optimizer.built:
                optimizer.build(variables)
        self.learning_rates = [
            float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            for optimizer in self.inner_optimizers
        ]
        # As given: another machine decides anew what "auto" is.
        self._compile_arguments = arguments

    @property
    def inner_optimizers(self):
        """Generator's and discriminator's, which have the learning rates.

        Those that scale the loss in float16 wrap them.
        """
        return [
            getattr(optimizer, "inner_optimizer", optimizer)
            for optimizer in (
                self.generator_optimizer,
                self.discriminator_optimizer,
            )
        ]

    @property
    def _replicas(self):
        return self.distribute_strategy.num_replicas_in_sync

    @property
    def _shares(self):
        """Into how many parts the samples of an update are divided."""
        return self._replicas * self.accumulate

    def call(self, inputs, training=False):
        """Images of given latents: `latents` or `[latents, labels]`."""
        return self.sampler(inputs, training=training)

    def fit(self, x=None, y=None, **kwargs):
        """`keras.Model.fit`, after a look at what `x` gives.

        Args:
            x: images in [-1, 1], or a `tf.data.Dataset` of batches `images`
                or `(images, labels)`.
            y: integer labels, where `x` is an array.
            **kwargs: those of `keras.Model.fit`.

        Raises:
            ValueError: if images or labels do not fit the models, or there
                is no step to make.
        """
        if kwargs.get("steps_per_epoch") == 0:
            raise ValueError(
                "steps_per_epoch: 0 is not allowed, which Keras takes for no "
                "end; give at least 1, or do not call `fit`."
            )
        check_data(self, x, y, kwargs.get("batch_size") or 32)
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)
        return super().fit(x, y, **kwargs)

    def generate(
        self, n, labels=None, seed=None, truncation=None, batch_size=64
    ):
        """Images of the averaged generator.

        The first k of n images do not depend on n.

        Args:
            n: number of images.
            labels: for a conditional GAN: one class for all, or one for each
                image; by default the classes in turn.
            seed: integer that decides the latents; by default a new one.
            truncation: cut the latents at this many standard deviations.
            batch_size: images generated at a time.

        Returns:
            uint8 array `(n, height, width, channels)`, or floats for data
            that are not images.

        Raises:
            ValueError: if an argument is out of its range.
        """
        return sample(self, n, labels, seed, truncation, batch_size)

    @functools.cached_property
    def sample_function(self):
        """`call` in inference mode as a graph; images as uint8."""

        @tf.function(reduce_retracing=True)
        def sample(inputs):
            images = self(inputs, training=False)
            return to_uint8(images) if len(images.shape) == 4 else images

        return sample

    @functools.cached_property
    def workers(self):
        """The `Workers` that train it together; mostly this process alone."""
        return Workers(self.distribute_strategy)

    # Two things that Keras 3.15 cannot do under several workers.

    def _maybe_symbolic_build(self, *args, **kwargs):
        # All is built in `__init__`; Keras would spend a batch of the data.
        pass

    def _results(self, names):
        results = {name: self._terms[name].result() for name in names}
        if self.workers.count > 1:  # Keras averages them over their first axis
            results = {k: tf.reshape(v, (1,)) for k, v in results.items()}
        return results

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "regularizers": [serialize(r) for r in self.regularizers],
            "discriminator_steps": self.discriminator_steps,
            "accumulate": self.accumulate,
            "ema_momentum": self.ema_momentum,
            "latent_distribution": self.latent_distribution,
            "num_classes": self.num_classes,
            "latent_dim": self.latent_dim,
            "feature_layer": self.feature_layer,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        for key in ("generator", "discriminator"):
            config[key] = deserialize(config[key], custom_objects)
        config["regularizers"] = [
            deserialize(r, custom_objects) for r in config["regularizers"]
        ]
        return cls(**config)

    def get_compile_config(self):
        if not self.compiled:
            return None
        serialize = keras.saving.serialize_keras_object
        return {
            "loss": serialize(self.adversarial_loss),
            "generator_optimizer": serialize(self.generator_optimizer),
            "discriminator_optimizer": serialize(self.discriminator_optimizer),
            "learning_rates": list(self.learning_rates),
            **self._compile_arguments,
        }

    def compile_from_config(self, config):
        config = dict(config)
        rates = config.pop("learning_rates", None)
        for key in ("loss", "generator_optimizer", "discriminator_optimizer"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        self.compile(**config)
        if rates is not None:
            # Those of the optimizers may have been lowered by then.
            self.learning_rates = list(rates)


def _latent_dim(generator, latent_dim):
    shape = getattr(generator, "input_shape", None)
    if shape is None:
        if latent_dim is None:
            raise ValueError(
                f"The generator {generator.name!r} does not tell the shape of "
                "its latents; give `latent_dim=`."
            )
        return latent_dim
    shape = shape[0] if isinstance(shape, list) else shape
    if len(shape) != 2 or latent_dim not in (None, shape[1]):
        raise ValueError(
            f"The generator {generator.name!r} takes inputs of shape {shape}; "
            f"latents must be (batch, {latent_dim or 'latent_dim'})."
        )
    return shape[1]


def _optimizer(identifier, model):
    if identifier is None:
        identifier = keras.optimizers.Adam(2e-4, beta_1=0.5)
    optimizer = keras.optimizers.get(identifier)
    policies = {layer.dtype_policy.name for layer in model._flatten_layers()}
    wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if "mixed_float16" in policies and not wrapped:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
