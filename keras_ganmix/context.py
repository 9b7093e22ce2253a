"""What a regularizer sees of one step."""

import copy

import tensorflow as tf


class Samples:
    """A batch of images and how the discriminator judges them.

    The discriminator runs when features or logits are first asked for, once.

    Args:
        images: `(batch, *image_shape)`.
        discriminator: `DiscriminatorView`.
        labels: `(batch,)` integers or `None`.
        prepared: dictionary of what the input pipeline has prepared of the
            images, by name of the regularizer that it is for.
        latents: `(batch, latent_dim)` from which the images were made, or
            `None` for real images.
        augment: function of images that gives what the discriminator sees of
            them, or `None`.
    """

    def __init__(
        self,
        images,
        discriminator,
        labels=None,
        latents=None,
        augment=None,
        prepared=None,
    ):
        self.prepared = prepared or {}
        self.images = images
        self.labels = labels
        self.latents = latents
        self._discriminator = discriminator
        self._augment = augment
        self._seen = None
        self._judged = None
        self._tape = None
        self._gradient = None

    @property
    def seen(self):
        """What the discriminator sees: the images, augmented if it does."""
        if self._seen is None:
            # The tape records nothing at run time unless its gradient is
            # asked for; so images need not be announced as watched.
            self._tape = tf.GradientTape(persistent=True)
            with self._tape:
                self._tape.watch(self.images)
                self._seen = self.images
                if self._augment is not None:
                    self._seen = self._augment(self.images)
        return self._seen

    def _judge(self):
        if self._judged is None:
            seen = self.seen
            with self._tape:
                view = self._discriminator
                if view.has_features:
                    features = view.features(seen, self.labels)
                    logits = view.head(features, self.labels)
                else:
                    features, logits = None, view.logits(seen, self.labels)
            self._judged = features, logits
        return self._judged

    @property
    def features(self):
        """Features of what the discriminator sees of the images."""
        self._discriminator.require_features("A regularizer")
        return self._judge()[0]

    @property
    def logits(self):
        """Logits, float32 of shape `(batch, 1)`."""
        return self._judge()[1]

    @property
    def image_gradient(self):
        """Gradient of each sample's logit at its image, float32."""
        if self._gradient is None:
            logits = self.logits
            self._gradient = tf.cast(
                self._tape.gradient(logits, self.images), tf.float32
            )
        return self._gradient


class _Joined:
    """`Samples` of all parts of a batch, joined where they are asked for."""

    def __init__(self, parts):
        self._parts = parts

    def __getattr__(self, name):
        if name.startswith("_"):  # as `copy` asks before there are parts
            raise AttributeError(name)
        values = [getattr(part, name) for part in self._parts]
        return tf.nest.map_structure(_join, *values)


def _join(*parts):
    return None if parts[0] is None else tf.concat(parts, axis=0)


class Context:
    """One discriminator or generator step, as a regularizer sees it.

    Attributes:
        real: `Samples` of the batch; judged when first asked.
        fake: `Samples` of the generated batch. In a discriminator step no
            gradient flows from them to the generator.
        discriminator: `DiscriminatorView`.
        loss: the adversarial loss.
        step: int64 scalar, the number of generator updates so far.
        draws: `Draws` of the regularizer in this step.
        penalties: gradient penalties of the GAN, for regularizers that bring
            further heads to which these apply.
    """

    def __init__(
        self, real, fake, discriminator, generate, loss, step, draws, penalties
    ):
        self.real = real
        self.fake = fake
        self.discriminator = discriminator
        self.loss = loss
        self.step = step
        self.draws = draws
        self.penalties = penalties
        self.reports = {}
        self._generate = generate
        self._views = {}
        self._computed = {}

    def samples(self, images, labels=None, latents=None):
        """Further images to be judged, without augmentation."""
        return Samples(images, self.discriminator, labels, latents)

    def generate(self, latents, labels=None):
        """A further pass of the generator, in training mode."""
        return self._generate(latents, labels)

    def report(self, name, value, weight=1.0):
        """Logs a scalar beside the losses.

        Args:
            name: one of the regularizer's `reports`.
            value: scalar tensor.
            weight: 0 to leave it out of the mean that is logged.
        """
        self.reports[name] = tf.cast(value, tf.float32), weight

    def once(self, name, compute):
        """What `compute()` gives, computed once per step and regularizer."""
        if name not in self._computed:
            self._computed[name] = compute()
        return self._computed[name]

    def prepared(self, regularizer):
        """What `regularizer.prepare` gives of the real images.

        It comes with the batch if the input pipeline has made it, otherwise
        it is made here, from the same draws.
        """
        made = self.real.prepared.get(regularizer.name)
        if made is not None:
            return made
        return self.once(
            "prepared",
            lambda: regularizer.prepare(self.real.images, self.draws),
        )

    def of(self, name):
        """The context of one regularizer: its own draws and reports.

        Samples are shared, so that features are computed once for all.
        """
        if name not in self._views:
            view = copy.copy(self)
            view.draws = self.draws.scope(name)
            view.reports, view._computed = {}, {}
            self._views[name] = view
        return self._views[name]

    @classmethod
    def join(cls, contexts):
        """The context of a whole batch, from those of its parts.

        Nothing is judged anew. It has reports of its own.
        """
        whole = copy.copy(contexts[0])
        if len(contexts) > 1:
            whole.draws = whole.draws.part(0, 1)
            whole.real = _Joined([c.real for c in contexts])
            whole.fake = _Joined([c.fake for c in contexts])
        whole.reports, whole._views, whole._computed = {}, {}, {}
        return whole

    def isolated(self):
        """A copy that keeps to itself what is computed in it.

        Tensors made inside a conditional branch must not be used outside.
        """
        view = copy.copy(self)
        view.real, view.fake = copy.copy(self.real), copy.copy(self.fake)
        view.reports, view._computed = {}, dict(self._computed)
        return view
