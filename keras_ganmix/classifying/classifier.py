"""A Keras model that is trained to classify by a method."""

import keras
import tensorflow as tf

from keras_ganmix.classifying.methods import Plain, cross_entropy, hits
from keras_ganmix.faults import Faults
from keras_ganmix.means import LoggedMeans
from keras_ganmix.networks import wide_resnet
from keras_ganmix.ops.random import Draws
from keras_ganmix.workers import Workers


class Classifier(LoggedMeans, keras.Model):
    """A network from `networks.wide_resnet`, and how it is trained.

    For `fit` on batches of (images, labels), images float32 in [-1, 1]. Every
    random number is a function of the seed and the step, which counts the
    updates. Called on images it gives the logits of `method.inference`.

    Weight decay is that of the paper: `weight_decay` times each trained
    weight is added to its gradient before the optimizer sees it.

    Args:
        network: functional model with the layers `"pooled"`, `"features"` and
            `"head"`.
        method: from `methods`; by default `Plain`.
        seed: of the draws.
        weight_decay: at least 0.
    """

    def __init__(self, network, method=None, seed=0, weight_decay=0.0):
        super().__init__(name="classifier")
        self.network = network
        self.method = method or Plain()
        self.seed = seed
        self.weight_decay = weight_decay
        features = network.get_layer(wide_resnet.FEATURES).output
        self.features = keras.Model(network.inputs, features)
        self.head = network.get_layer(wide_resnet.HEAD)
        self.inference = self.method.inference(network)
        pooled = network.get_layer(wide_resnet.POOLED).output
        outputs = [pooled, self.inference.output]
        self._observer = keras.Model(network.inputs, outputs)
        shape = (None, *network.input_shape[1:])
        self._observe = tf.function(
            lambda images: self._observer(images, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
        )
        self.step = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            name="step",
        )
        names = ["loss", "accuracy"]
        if len(self.method.names) > 1:
            names += self.method.names
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        self.faults = Faults([*self.method.names, "gradients"])
        self.workers = Workers(tf.distribute.get_strategy())
        self.built = True

    def compile(self, optimizer, **kwargs):
        """Takes the optimizer; the loss is the method's."""
        super().compile(optimizer=optimizer, jit_compile=False, **kwargs)
        self.optimizer.build(self.network.trainable_variables)

    @property
    def metrics(self):
        return list(self._means.values())

    def state_parts(self):
        """Everything that training needs to continue; see `state.RunState`."""
        return {
            "network": self.network.variables,
            "counters": [self.step],
            "metrics": [v for m in self.metrics for v in m.variables],
            "optimizer": self.optimizer.variables,
        }

    def call(self, images, training=False):
        return self.inference(images, training=training)

    def observe(self, images):
        """Pooled features, (B, 64 k), and logits, in one pass."""
        return self._observe(images)

    def train_step(self, data):
        images, labels = data
        draws = Draws(self.seed, self.step.value)
        with self.faults.watch(self.step.value + 1, 1):
            with tf.GradientTape() as tape:
                terms, accuracy = self.method.terms(self, images, labels, draws)
                loss = tf.add_n(list(terms.values()))
            for name, value in terms.items():
                self.faults.see(name, value)
            weights = self.network.trainable_variables
            gradients = tape.gradient(loss, weights)
            self.faults.see("gradients", *gradients)
            self.optimizer.apply(self._decayed(gradients, weights), weights)
        self.step.assign_add(1)
        return self._log({"loss": loss, "accuracy": accuracy, **terms})

    def _decayed(self, gradients, weights):
        if not self.weight_decay:
            return gradients
        return [
            gradient + self.weight_decay * weight
            for gradient, weight in zip(gradients, weights, strict=True)
        ]

    def test_step(self, data):
        images, labels = data
        logits = self(images)
        loss = cross_entropy(labels, logits)
        return self._log({"loss": loss, "accuracy": hits(labels, logits)})

    def _log(self, values):
        for name, mean in self._means.items():
            if name in values:
                mean.update_state(values[name])
        return {name: mean.result() for name, mean in self._means.items()}
