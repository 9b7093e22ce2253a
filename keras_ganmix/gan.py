"""A generative adversarial network as a Keras model."""

import keras
import numpy as np
import tensorflow as tf

from keras_ganmix import losses
from keras_ganmix.checks import (
    check_arguments,
    check_composition,
    check_data,
    connect,
    example_inputs,
)
from keras_ganmix.context import Context, Samples
from keras_ganmix.dealing import deal, undeal
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops.pixels import to_uint8
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers.base import Regularizer
from keras_ganmix.utils.models import is_functional


@keras.saving.register_keras_serializable(package="keras_ganmix")
class GAN(keras.Model):
    """Trains a generator against a discriminator with `fit()`.

    A step is `discriminator_steps` updates of the discriminator, each on real
    and generated images of its own, then one update of the generator
    (Goodfellow et al. 2014, algorithm 1). "Step" always means one generator
    update. A batch given to `fit` is dealt out to the discriminator updates,
    so with `discriminator_steps=5` and a batch of 320 each sees 64 images.

    Args:
        generator: Keras model, `latents[, labels] -> images`; latents are
            `(batch, latent_dim)`, images should lie in [-1, 1].
        discriminator: Keras model, `images[, labels] -> logits` of shape
            `(batch, 1)`.
        regularizers: `Regularizer`s; their order does not matter.
        discriminator_steps: discriminator updates per step.
        ema_momentum: momentum m of the moving average of the generator's
            weights, ramped as min(m, (1 + step) / (10 + step)); `None` for no
            average.
        latent_distribution: `"normal"`, `"uniform"` in [-1, 1), or
            `"truncated"`, a normal cut at two standard deviations.
        num_classes: number of classes, for models that take labels. The
            labels of generated images are those of the batch.
        latent_dim: only for a subclassed generator, which does not tell.
        feature_layer: name of the discriminator's layer whose output are its
            features; found by itself by default (`DiscriminatorView`).
        seed: seed of every random number that training draws.

    Raises:
        ValueError: if the models, or models and regularizers, do not fit.

    Example:

    >>> gan = GAN(generator, discriminator)
    >>> gan.compile(loss="hinge")
    >>> gan.fit(dataset, epochs=10)
    >>> images = gan.generate(64, seed=1)
    """

    def __init__(
        self,
        generator,
        discriminator,
        regularizers=(),
        *,
        discriminator_steps=1,
        ema_momentum=0.999,
        latent_distribution="normal",
        num_classes=None,
        latent_dim=None,
        feature_layer=None,
        seed=0,
        name="gan",
    ):
        super().__init__(name=name)
        check_arguments(discriminator_steps, ema_momentum, latent_distribution)
        self.generator = generator
        self.discriminator = discriminator
        self.discriminator_steps = discriminator_steps
        self.ema_momentum = ema_momentum
        self.latent_distribution = latent_distribution
        self.num_classes = num_classes
        self.feature_layer = feature_layer
        self.seed = seed
        self.latent_dim = _latent_dim(generator, latent_dim)
        self.has_labels = num_classes is not None
        self.image_shape = connect(self)
        self.view = DiscriminatorView(discriminator, feature_layer)
        self.regularizers = sorted(regularizers, key=lambda r: r.name)
        self._set_up_regularizers()
        self.ema_generator = None
        if ema_momentum is not None:
            self.ema_generator = _copy_of(generator, example_inputs(self))
            self.ema_generator.trainable = False
        self.step = self._counter("step")
        # A run that is tried again after a fault continues with other numbers.
        self.retry = self._counter("retry")
        self._terms = self._make_trackers()
        self._sample_function = None
        self.built = True

    def _set_up_regularizers(self):
        check_composition(self.regularizers)
        for regularizer in self.regularizers:
            if regularizer.needs_features:
                self.view.require_features(regularizer.name)
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
            loss: name of an adversarial loss or a `losses.Loss`.
            generator_optimizer: Keras optimizer, its name or config; by
                default Adam(2e-4, beta_1=0.5), as in Radford et al. 2016.
            discriminator_optimizer: the same for the discriminator.
            jit_compile: whether to compile the step with XLA; `"auto"` does
                on a single GPU and not on CPUs, where it was measured to be
                no faster.
            **kwargs: `run_eagerly`, `steps_per_execution`.
        """
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
        if self.generator_optimizer is self.discriminator_optimizer:
            raise ValueError(
                "generator_optimizer and discriminator_optimizer are the same "
                "object; each needs its own."
            )
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)
        self._compile_arguments = {"jit_compile": jit_compile, **kwargs}

    @property
    def _replicas(self):
        return self.distribute_strategy.num_replicas_in_sync

    # The algorithm.

    def train_step(self, data):
        for i, batch in enumerate(self._deal(data)):
            draws = self._draws(f"discriminator.{i}")
            self._discriminator_step(*batch, draws)
        self._generator_step(*batch, self._draws("generator"))
        self._update_average()
        self.step.assign_add(1)
        return {name: term.result() for name, term in self._terms.items()}

    def _discriminator_step(self, images, labels, prepared, draws):
        latents = self._draw_latents(images, draws)
        fakes = self._generate(latents, labels)
        real = self._samples("real", images, labels, None, draws, prepared)
        fake = self._samples("fake", fakes, labels, latents, draws)
        context = self._context(real, fake, draws)
        variables = self.discriminator_variables
        optimizer = self.discriminator_optimizer
        with tf.GradientTape() as tape:
            loss = self._objective("discriminator", context)
            scaled = optimizer.scale_loss(loss / self._replicas)
        optimizer.apply(_gradients(tape, scaled, variables), variables)
        self._terms["real_logits"].update_state(context.real.logits)
        self._terms["fake_logits"].update_state(context.fake.logits)
        for regularizer in self._active:
            regularizer.update(context.of(regularizer.name))
        self._log_reports(context)

    def _generator_step(self, images, labels, prepared, draws):
        latents = self._draw_latents(images, draws)
        variables = self.generator.trainable_variables
        optimizer = self.generator_optimizer
        with tf.GradientTape() as tape:
            fakes = self._generate(latents, labels)
            real = self._samples("real", images, labels, None, draws, prepared)
            fake = self._samples("fake", fakes, labels, latents, draws)
            context = self._context(real, fake, draws)
            loss = self._objective("generator", context)
            scaled = optimizer.scale_loss(loss / self._replicas)
        optimizer.apply(_gradients(tape, scaled, variables), variables)
        self._log_reports(context)

    def _objective(self, side, context):
        """The sum of one side's weighted terms, in the order of their names."""
        judging = context.of(self._judging.name)
        total = getattr(self._judging, f"{side}_adversarial")(judging)
        if self._active:
            self._terms[f"{side}/adversarial"].update_state(total)
        for regularizer in self._active:
            if not getattr(regularizer, f"{side}_weight").is_zero:
                own = context.of(regularizer.name)
                value, weight, active = regularizer.term(side, own)
                total += weight * value
                self._terms[f"{side}/{regularizer.name}"].update_state(
                    value, sample_weight=active
                )
        self._terms[f"{side}_loss"].update_state(total)
        return total

    def _log_reports(self, context):
        for regularizer in self._active:
            reports = context.of(regularizer.name).reports
            for name, (value, weight) in reports.items():
                self._terms[f"{regularizer.name}/{name}"].update_state(
                    value, sample_weight=weight
                )

    def _update_average(self):
        if self.ema_generator is None:
            return
        step = tf.cast(self.step.value, tf.float32)
        momentum = tf.minimum(self.ema_momentum, (1 + step) / (10 + step))
        pairs = zip(
            self.ema_generator.weights, self.generator.weights, strict=True
        )
        for average, weight in pairs:
            if weight.trainable:
                rest = tf.cast(1 - momentum, weight.dtype)
                average.assign_add(rest * (weight - average))
            else:  # running statistics are averages already
                average.assign(weight)

    # What the algorithm is made of.

    def _deal(self, data):
        """The discriminator updates' batches: (images, labels, prepared)."""
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        prepared = {}
        if isinstance(images, dict):
            images, prepared = images["images"], images["prepared"]
        if not self.has_labels:
            labels = {}
        elif labels is None:
            raise ValueError(
                "The GAN is class-conditional, but the data have no labels. "
                "Give batches (images, labels)."
            )
        batches = deal((images, labels, prepared), self.discriminator_steps)
        return [(x, y if self.has_labels else None, p) for x, y, p in batches]

    def prepare(self, dataset, start_step=0):
        """Lets the input pipeline do what needs the real images only.

        Regularizers with `where="pipeline"` prepare their images in
        `Dataset.map`, on batches, with the draws that the step would make.

        Args:
            dataset: endless `tf.data.Dataset` of batches, as for `fit`.
            start_step: the value of `self.step` at its first batch.

        Returns:
            A `tf.data.Dataset` for `fit`; the same one if there is nothing to
            prepare.
        """
        preparing = [r for r in self._active if r.where == "pipeline"]
        if not preparing:
            return dataset

        def prepare(step, *data):
            images, *labels = data
            batches = deal(images, self.discriminator_steps)
            prepared = []
            for i, batch in enumerate(batches):
                draws = Draws(self.seed, step).scope(f"discriminator.{i}")
                prepared.append(
                    {
                        r.name: r.prepare(batch, draws.scope(r.name))
                        for r in preparing
                    }
                )
            x = {"images": images, "prepared": undeal(prepared)}
            return (x, *labels) if labels else x

        def unpack(step, data):
            return prepare(step, *(data if isinstance(data, tuple) else [data]))

        return dataset.enumerate(start_step).map(
            unpack, num_parallel_calls=tf.data.AUTOTUNE
        )

    def _draws(self, scope):
        step = self.step.value + self.retry.value * 2**40
        return Draws(self.seed, step).scope(scope)

    def _draw_latents(self, images, draws):
        batch = images.shape[0] or tf.shape(images)[0]
        return draws.latents(
            "latents", (batch, self.latent_dim), self.latent_distribution
        )

    def _generate(self, latents, labels, training=True):
        inputs = [latents, labels] if self.has_labels else latents
        return self.generator(inputs, training=training)

    def _samples(self, kind, images, labels, latents, draws, prepared=None):
        augmenting = [r for r in self._active if r.augments]

        def augment(images):
            for regularizer in augmenting:
                own = draws.scope(regularizer.name).scope(kind)
                images = regularizer.augment(images, own)
            return images

        return Samples(
            images,
            self.view,
            labels,
            latents,
            augment if augmenting else None,
            prepared,
        )

    def _context(self, real, fake, draws):
        return Context(
            real=real,
            fake=fake,
            discriminator=self.view,
            generate=self._generate,
            loss=self.adversarial_loss,
            step=self.step.value,
            draws=draws,
            penalties=[r for r in self._active if r.is_penalty],
        )

    # Keras' other verbs.

    def call(self, inputs, training=False):
        """Images of given latents: `latents` or `[latents, labels]`."""
        return self.sampler(inputs, training=training)

    def test_step(self, data):
        """The adversarial losses on held-out images, nothing else changed."""
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        labels = labels if self.has_labels else None
        terms = self._terms
        number = tf.cast(terms["discriminator_loss"].count.value, tf.int64)
        draws = Draws(self.seed, number).scope("evaluate")
        latents = self._draw_latents(images, draws)
        inputs = [latents, labels] if self.has_labels else latents
        fakes = self.sampler(inputs, training=False)
        real = self.view.logits(images, labels, training=False)
        fake = self.view.logits(fakes, labels, training=False)
        loss = self.adversarial_loss
        results = {
            "discriminator_loss": loss.discriminator(real, fake),
            "generator_loss": loss.generator(fake, real),
            "real_logits": real,
            "fake_logits": fake,
        }
        for name, value in results.items():
            terms[name].update_state(value)
        return {name: terms[name].result() for name in results}

    def fit(self, x=None, y=None, **kwargs):
        """`keras.Model.fit`, after a look at what `x` gives.

        Args:
            x: images in [-1, 1], or a `tf.data.Dataset` of batches `images`
                or `(images, labels)`.
            y: integer labels, where `x` is an array.
            **kwargs: those of `keras.Model.fit`.

        Raises:
            ValueError: if images or labels do not fit the models.
        """
        check_data(self, x, y)
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
        """
        if not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"n: {n!r} is not allowed; give at least 1.")
        if truncation is not None and not truncation > 0:
            raise ValueError(
                f"truncation: {truncation!r} is not allowed; give a number "
                "above 0, in standard deviations, or None."
            )
        if seed is None:
            seed = int(np.random.default_rng().integers(2**31))
        draws = Draws(seed, 0).scope("generate")
        latents = draws.latents(
            "latents",
            (n, self.latent_dim),
            self.latent_distribution,
            truncation,
        )
        labels = self._labels_of(n, labels)
        batches = []
        for i in range(0, n, batch_size):
            batch = latents[i : i + batch_size]
            if self.has_labels:
                batch = [batch, tf.constant(labels[i : i + batch_size])]
            batches.append(self._sample(batch).numpy())
        return np.concatenate(batches)

    def _sample(self, inputs):
        if self._sample_function is None:

            @tf.function(reduce_retracing=True)
            def sample(inputs):
                images = self.sampler(inputs, training=False)
                return to_uint8(images) if len(images.shape) == 4 else images

            self._sample_function = sample
        return self._sample_function(inputs)

    def _labels_of(self, n, labels):
        if not self.has_labels:
            if labels is not None:
                raise ValueError(
                    "labels: this GAN is not class-conditional; leave them."
                )
            return None
        if labels is None:
            labels = np.arange(n) % self.num_classes
        labels = np.asarray(labels)
        if labels.ndim == 0:
            labels = np.full(n, labels)
        if labels.shape != (n,) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels: give one integer or {n} of them; got "
                f"{labels.dtype} of shape {labels.shape}."
            )
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise ValueError(
                f"labels: {labels.min()}..{labels.max()} is not within "
                f"0..{self.num_classes - 1}."
            )
        return labels.astype("int32")

    def _maybe_symbolic_build(self, *args, **kwargs):
        # All is built in `__init__`. Keras would spend a batch of the data on
        # it, and cannot do it under several workers.
        pass

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "regularizers": [serialize(r) for r in self.regularizers],
            "discriminator_steps": self.discriminator_steps,
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
            **self._compile_arguments,
        }

    def compile_from_config(self, config):
        config = dict(config)
        for key in ("loss", "generator_optimizer", "discriminator_optimizer"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        self.compile(**config)


def _gradients(tape, loss, variables):
    # A head whose term is off for this side has no gradient.
    return tape.gradient(loss, variables, unconnected_gradients="zero")


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


def _copy_of(generator, example):
    if is_functional(generator):
        copy = keras.models.clone_model(generator)
        name = f"averaged_{generator.name}"
        copy = keras.Model(copy.inputs, copy.outputs[0], name=name)
    else:
        copy = type(generator).from_config(generator.get_config())
        copy(example)
    copy.set_weights(generator.get_weights())
    return copy


def _optimizer(identifier, model):
    if identifier is None:
        identifier = keras.optimizers.Adam(2e-4, beta_1=0.5)
    optimizer = keras.optimizers.get(identifier)
    policies = {layer.dtype_policy.name for layer in model._flatten_layers()}
    wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if "mixed_float16" in policies and not wrapped:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
