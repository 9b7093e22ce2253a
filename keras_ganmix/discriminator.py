"""Any Keras discriminator, seen as a trunk and a head."""

import keras

from keras_ganmix.utils.models import is_functional


class DiscriminatorView:
    """Trunk and head of a discriminator.

    The discriminator `D(x[, y]) = head(trunk(x)[, y])` is cut at a feature
    map, so that regularizers can look at features, feed their own features to
    the head, or put further heads on the trunk.

    A functional or sequential model is cut at the last spatial feature map
    (larger than 1 x 1) through which every path from the images to the logits
    passes, or, where there is none (a multilayer perceptron), at the last such
    hidden vector; what follows the cut must have weights. A subclassed model
    is used as it is; it offers features by having two methods,
    `features(images, [labels,] training)` and
    `head(features, [labels,] training)`.

    Args:
        model: built Keras model, `images[, labels] -> logits` of shape
            `(batch, 1)`.
        feature_layer: name of the layer after which to cut instead.
        example: `(images, labels)` of one sample, labels `None` without
            classes, from which to learn whether a subclassed model takes
            labels, and the shape of features where the model does not tell.

    Attributes:
        model: the model itself.
        has_labels: whether the model takes labels.
        feature_shape: shape of the features of one sample, `None` if the
            model cannot be cut.

    Raises:
        ValueError: if the output is not one logit per sample, or
            `feature_layer` does not exist or some path goes around it.
    """

    def __init__(self, model, feature_layer=None, example=None):
        self.model = model
        self._trunk = self._head = None
        self.feature_shape = None
        if is_functional(model):
            self.has_labels = len(model.inputs) > 1
            _check_logits(model.name, model.outputs)
            # Cutting rewrites what symbolic tensors know of their origin, and
            # the model could not be saved any more: cut a second graph of the
            # same layers.
            graph = keras.models.clone_model(
                model, clone_function=lambda layer: layer
            )
            cut, self._problem = _find_cut(graph, feature_layer)
            if cut is None and feature_layer is not None:
                raise ValueError(self._problem)
            if cut is not None:
                self._split(graph, cut)
                if None in self.feature_shape and example is not None:
                    self._learn_shape(example)
        else:
            self.has_labels = example is not None and example[1] is not None
            self._problem = (
                f"The discriminator {model.name!r} is a subclassed model "
                "without the methods `features(images, ...)` and "
                "`head(features, ...)`, so it has no features to offer. Add "
                "both, or use a functional or sequential model."
            )
            if hasattr(model, "features") and hasattr(model, "head"):
                self._trunk, self._head = model.features, model.head
                self._trunk_labels = self._head_labels = self.has_labels
                if example is not None:
                    self._learn_shape(example)

    def _split(self, model, cut):
        images, *labels = model.inputs
        needed = _ancestors(cut)
        self._trunk_labels = any(id(t) in needed for t in labels)
        needed = _ancestors(model.outputs[0], stop=cut)
        self._head_labels = any(id(t) in needed for t in labels)
        self._trunk = keras.Model(
            [images, *labels] if self._trunk_labels else images, cut
        )
        self._head = keras.Model(
            [cut, *labels] if self._head_labels else cut, model.outputs[0]
        )
        self.feature_shape = tuple(cut.shape[1:])

    def _learn_shape(self, example):
        features = self.features(*example, training=False)
        self.feature_shape = tuple(features.shape[1:])

    def require_features(self, who):
        """Raises a ValueError if the model cannot be cut.

        Args:
            who: name of what needs the features, for the message.
        """
        if self._trunk is None:
            raise ValueError(f"{who} needs features. {self._problem}")

    @property
    def has_features(self):
        return self._trunk is not None

    def features(self, images, labels=None, training=True):
        """Features of images, `(batch, *feature_shape)`."""
        self.require_features("This call")
        inputs = [images, labels] if self._trunk_labels else images
        return _call(self._trunk, inputs, training)

    def head(self, features, labels=None, training=True):
        """Logits of features, float32 of shape `(batch, 1)`."""
        self.require_features("This call")
        inputs = [features, labels] if self._head_labels else features
        return keras.ops.cast(_call(self._head, inputs, training), "float32")

    def logits(self, images, labels=None, training=True):
        """Logits of images, float32 of shape `(batch, 1)`."""
        if self.has_features:
            features = self.features(images, labels, training)
            return self.head(features, labels, training)
        inputs = [images, labels] if self.has_labels else images
        logits = self.model(inputs, training=training)
        return keras.ops.cast(logits, "float32")


def _call(function, inputs, training):
    # Arrays beside tensors are refused by Keras.
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    if isinstance(function, keras.Model):
        return function(inputs, training=training)
    if isinstance(inputs, list):  # a method of a subclassed model
        return function(*inputs, training=training)
    return function(inputs, training=training)


def _check_logits(name, outputs):
    shapes = [tuple(t.shape) for t in outputs]
    if len(shapes) != 1 or shapes[0] != (None, 1):
        raise ValueError(
            f"The discriminator {name!r} must give one logit per sample, "
            f"shape (None, 1), but gives {shapes}. End it with "
            "`keras.layers.Dense(1)`, without activation."
        )


def _parents(tensor):
    layer, node_index, _ = tensor._keras_history
    return layer._inbound_nodes[node_index].input_tensors


def _ancestors(tensor, stop=None):
    """Ids of the tensors from which `tensor` is made, not going past `stop`."""
    seen, todo = set(), [tensor]
    while todo:
        tensor = todo.pop()
        if id(tensor) in seen or tensor is stop:
            continue
        seen.add(id(tensor))
        todo.extend(_parents(tensor))
    return seen


def _ordered(output):
    """The tensors from which `output` is made, parents before children."""
    order, seen = [], set()

    def visit(tensor):
        if id(tensor) not in seen:
            seen.add(id(tensor))
            for parent in _parents(tensor):
                visit(parent)
            order.append(tensor)

    visit(output)
    return order


def _find_cut(model, feature_layer):
    """The tensor at which to cut, or None and the reason."""
    images, output = model.inputs[0], model.outputs[0]
    order = _ordered(output)

    def is_cut(tensor):
        return id(images) not in _ancestors(output, stop=tensor)

    layers = ", ".join(
        f"{layer.name} {tuple(layer.output.shape[1:])}"
        for layer in model.layers
        if not isinstance(layer.output, (list, tuple, dict))
    )
    if feature_layer is not None:
        tensors = [
            t for t in order if t._keras_history.operation.name == feature_layer
        ]
        if not tensors:
            return None, (
                f"feature_layer={feature_layer!r} is not a layer of the "
                f"discriminator. Layers: {layers}."
            )
        cut = tensors[-1]
        if cut is images or cut is output or not is_cut(cut):
            return None, (
                f"feature_layer={feature_layer!r} does not cut the "
                "discriminator: a path from the images to the logits goes "
                "around it, or it is an end. Choose a layer through which all "
                f"paths pass. Layers: {layers}."
            )
        return cut, None

    cuts, weighted = [], False
    for tensor in reversed(order):
        inner = tensor is not images and tensor is not output
        if inner and weighted and is_cut(tensor):
            cuts.append(tensor)
        weighted |= bool(getattr(tensor._keras_history.operation, "weights", 0))
    spatial = [t for t in cuts if len(t.shape) == 4 and t.shape[1:3] != (1, 1)]
    vectors = [t for t in cuts if len(t.shape) == 2]
    if spatial or vectors:
        return (spatial or vectors)[0], None
    return None, (
        f"The discriminator {model.name!r} cannot be cut into a trunk and a "
        "head: no feature map lies on all paths from the images to the "
        "logits with weights after it. Name one with `feature_layer=`. "
        f"Layers: {layers}."
    )
