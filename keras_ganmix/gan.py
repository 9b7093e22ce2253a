"""A generative adversarial network: the algorithm."""

import keras
import tensorflow as tf

from keras_ganmix.context import Context, Samples
from keras_ganmix.dealing import Parts, agree, deal, undeal
from keras_ganmix.model import AdversarialModel
from keras_ganmix.ops.random import Draws

# Steps between the random numbers of a run and those of its next retry.
_RETRY = 2**40


@keras.saving.register_keras_serializable(package="keras_ganmix")
class GAN(AdversarialModel):
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
        accumulate: parts in which the batch of an update is worked through,
            one after the other, to need less memory. Their gradients are
            averaged, which changes nothing for terms that look at single
            samples. What couples the samples of a batch (batch
            normalization, permutations, Gram matrices, relativistic means)
            does so within a part, and spectral normalization steps its power
            iteration in each.
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
    >>> gan.fit(dataset, steps_per_epoch=1000, epochs=10)
    >>> images = gan.generate(64, seed=1)
    """

    def train_step(self, data):
        with self.faults.watch(self.step.value + 1, self._replicas):
            for i, batch in enumerate(self.deal(data)):
                draws = self.draws(f"discriminator.{i}")
                self._discriminator_step(batch, draws)
            self._generator_step(batch, self.draws("generator"))
        self._update_average()
        self.step.assign_add(1)
        return self._results(self._terms)

    def _discriminator_step(self, batch, draws):
        variables = self.discriminator_variables
        optimizer = self.discriminator_optimizer
        parts = Parts(batch, draws, self.accumulate)
        contexts = []
        for images, labels, prepared, draws in parts:
            latents = self.draw_latents(images, draws)
            fakes = self.fakes(latents, labels)
            real = self.samples("real", images, labels, None, draws, prepared)
            fake = self.samples("fake", fakes, labels, latents, draws)
            context = self.context(real, fake, draws)
            with tf.GradientTape() as tape:
                loss = self._objective("discriminator", context)
                scaled = optimizer.scale_loss(loss / self._shares)
            parts.add(tape.gradient(scaled, variables))
            contexts.append(context)
        self._apply("discriminator", optimizer, parts.gradients, variables)
        whole = Context.join(contexts)
        self._log("real_logits", whole.real.logits)
        self._log("fake_logits", whole.fake.logits)
        for regularizer in self._active:
            regularizer.update(whole.of(regularizer.name))
        self._log_reports(*contexts, whole)

    def _generator_step(self, batch, draws):
        variables = self.generator.trainable_variables
        optimizer = self.generator_optimizer
        parts = Parts(batch, draws, self.accumulate)
        for images, labels, prepared, draws in parts:
            latents = self.draw_latents(images, draws)
            with tf.GradientTape() as tape:
                fakes = self.fakes(latents, labels)
                real = self.samples(
                    "real", images, labels, None, draws, prepared
                )
                fake = self.samples("fake", fakes, labels, latents, draws)
                context = self.context(real, fake, draws)
                loss = self._objective("generator", context)
                scaled = optimizer.scale_loss(loss / self._shares)
            parts.add(tape.gradient(scaled, variables))
            self._log_reports(context)
        self._apply("generator", optimizer, parts.gradients, variables)

    def _objective(self, side, context):
        """The sum of one side's weighted terms, in the order of their names."""
        judging = context.of(self._judging.name)
        total = getattr(self._judging, f"{side}_adversarial")(judging)
        if self._active:
            self._log(f"{side}/adversarial", total)
        for regularizer in self._active:
            if not getattr(regularizer, f"{side}_weight").is_zero:
                own = context.of(regularizer.name)
                value, weight, active = regularizer.term(side, own)
                total += weight * value
                self._log(f"{side}/{regularizer.name}", value, active)
        # Otherwise TensorFlow folds these sums into that of the mean, in an
        # order that differs from process to process.
        self._log(f"{side}_loss", tf.ensure_shape(total, ()))
        return total

    def _log_reports(self, *contexts):
        for regularizer in self._active:
            for context in contexts:
                reports = context.of(regularizer.name).reports
                for name, (value, weight) in reports.items():
                    self._log(f"{regularizer.name}/{name}", value, weight)

    def _log(self, name, value, weight=None):
        self._terms[name].update_state(value, sample_weight=weight)
        self.faults.see(name, value)

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

    def _apply(self, side, optimizer, gradients, variables):
        # A head whose term is off for this side has no gradient.
        gradients = [
            tf.zeros(v.shape, v.dtype) if g is None else g
            for g, v in zip(gradients, variables, strict=True)
        ]
        is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if not is_scaled:  # which passes over gradients that are not finite
            self.faults.see(f"{side}_gradients", *gradients)
        elif self._replicas > 1:
            gradients = agree(gradients)
        optimizer.apply(gradients, variables)

    # What the algorithm is made of.

    def deal(self, data):
        """Deals what `fit` gets in a step out to the discriminator updates.

        Returns:
            For each update `(images, labels, prepared)`; labels are `None`
            without classes, `prepared` is what `prepare` has made.
        """
        images, labels, prepared = self._unpack(data)
        return deal((images, labels, prepared), self.discriminator_steps)

    def _unpack(self, data):
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        prepared = {}
        if isinstance(images, dict):
            images, prepared = images["images"], images["prepared"]
        if not self.has_labels:
            labels = None
        elif labels is None:
            raise ValueError(
                "The GAN is class-conditional, but the data have no labels. "
                "Give batches (images, labels)."
            )
        elif len(labels.shape) == 2:  # a column, as Keras' data sets have it
            labels = tf.squeeze(labels, axis=1)
        return tf.cast(images, tf.float32), labels, prepared

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

        Raises:
            ValueError: if the data set ends: its second epoch would have the
                draws of the first.
        """
        preparing = [r for r in self._active if r.where == "pipeline"]
        if not preparing:
            return dataset
        if dataset.cardinality().numpy() >= 0:
            raise ValueError(
                "prepare: the data set ends, and would be prepared in each "
                "epoch as in the first; give an endless one (`repeat()`), and "
                "`fit` its `steps_per_epoch`."
            )

        retry = int(self.retry.numpy())

        def prepare(step, *data):
            images, *labels = data
            step += retry * _RETRY
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

    def draws(self, scope):
        """The `Draws` of the next step for one purpose."""
        step = self.step.value + self.retry.value * _RETRY
        return Draws(self.seed, step).scope(scope)

    def draw_latents(self, images, draws):
        """Latents for as many fakes as there are images."""
        batch = images.shape[0] or tf.shape(images)[0]
        return draws.latents(
            "latents", (batch, self.latent_dim), self.latent_distribution
        )

    def fakes(self, latents, labels, training=True):
        """Images of the generator that is trained, float32."""
        inputs = [latents, labels] if self.has_labels else latents
        return tf.cast(self.generator(inputs, training=training), tf.float32)

    def samples(self, kind, images, labels, latents, draws, prepared=None):
        """`Samples` of a batch, `kind` "real" or "fake", to be judged."""
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

    def context(self, real, fake, draws):
        """The `Context` of one update, which regularizers look at."""
        return Context(
            real=real,
            fake=fake,
            discriminator=self.view,
            generate=self.fakes,
            loss=self.adversarial_loss,
            step=self.step.value,
            draws=draws,
            penalties=[r for r in self._active if r.is_penalty],
        )

    def test_step(self, data):
        """The adversarial losses on held-out images, nothing else changed.

        Logits are means over images, losses over batches, so that a smaller
        last batch counts as much as the others.
        """
        images, labels, _ = self._unpack(data)
        terms = self._terms
        number = tf.cast(terms["discriminator_loss"].count.value, tf.int64)
        draws = Draws(self.seed, number).scope("evaluate")
        latents = self.draw_latents(images, draws)
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
        return self._results(results)
