"""Wide residual networks that classify images.

Zagoruyko & Komodakis 2016 (https://arxiv.org/abs/1605.07146), in their order
of layers: normalisation and ReLU come before the convolutions, and a shortcut
that changes the shape starts after them. As in their code, kernels start from
a normal distribution of variance 2 / fan_out, and dropout is 0.
"""

import keras
from keras import initializers, ops
from keras import layers as kl

from keras_ganmix.networks import checks

#: Layers of a classifier that others ask for by name.
POOLED, FEATURES, HEAD = "pooled", "features", "head"


def classifier(
    image_shape,
    num_classes,
    depth=28,
    width=10,
    orthogonal_head=False,
    seed=None,
):
    """WRN-depth-width: images to logits.

    The layer `"pooled"` gives the mean of the last feature map, (B, 64 width);
    `"features"` what the head sees, of length 1 before an orthogonal head and
    unchanged before a linear one; `"head"` is the last layer.

    Args:
        image_shape: (height, width, channels), at least 4 x 4; images are in
            [-1, 1].
        num_classes: number of classes, at least 2.
        depth: number of convolutions, 6 n + 4: three groups of n blocks.
        width: the widening factor k: groups have 16 k, 32 k and 64 k channels.
        orthogonal_head: whether the head is an `OrthogonalHead`, which is
            never trained, or a dense layer.
        seed: of the orthogonal head; `None` takes Keras' global seed.

    Returns:
        Functional `keras.Model`; logits are float32 (B, num_classes).

    Raises:
        ValueError: for a depth, shape or number that cannot be.
    """
    checks.wide_resnet(image_shape, num_classes, depth, width, orthogonal_head)
    blocks = (depth - 4) // 6
    images = keras.Input(tuple(image_shape), name="images")
    x = _conv(16, 3, 1, "conv_in")(images)
    for group, filters in enumerate((16 * width, 32 * width, 64 * width), 1):
        for block in range(1, blocks + 1):
            stride = 2 if group > 1 and block == 1 else 1
            x = _block(x, filters, stride, f"group_{group}_block_{block}")
    x = _normalize_relu(x, "out")
    # What follows is compared and exponentiated: float32 in any policy.
    x = kl.GlobalAveragePooling2D(name=POOLED, dtype="float32")(x)
    if orthogonal_head:
        x = kl.UnitNormalization(name=FEATURES, dtype="float32")(x)
        head = OrthogonalHead(num_classes, seed, name=HEAD, dtype="float32")
    else:
        x = kl.Identity(name=FEATURES, dtype="float32")(x)
        head = kl.Dense(num_classes, name=HEAD, dtype="float32")
    name = f"wide_resnet_{depth}_{width}"
    return keras.Model(images, head(x), name=name)


def _block(x, filters, stride, name):
    h = _normalize_relu(x, f"{name}_1")
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = _conv(filters, 1, stride, f"{name}_shortcut")(h)
    h = _conv(filters, 3, stride, f"{name}_conv_1")(h)
    h = _normalize_relu(h, f"{name}_2")
    h = _conv(filters, 3, 1, f"{name}_conv_2")(h)
    return kl.Add(name=name)([h, shortcut])


def _normalize_relu(x, name):
    x = kl.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm_{name}")(
        x
    )
    return kl.ReLU(name=f"relu_{name}")(x)


def _conv(filters, size, stride, name):
    return kl.Conv2D(
        filters,
        size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=initializers.VarianceScaling(
            2.0, "fan_out", "untruncated_normal"
        ),
        name=name,
    )


@keras.saving.register_keras_serializable(package="keras_ganmix")
class OrthogonalHead(keras.layers.Layer):
    """Logits |W v| with a matrix W of orthonormal rows that is never trained.

    Each class has an axis of its own from the start, and a feature belongs to
    the class to whose axis it is the most parallel, in either direction. W is
    a weight that is not trainable, so it is saved, but neither an optimizer
    nor weight decay touches it.

    References:

    - [Liu et al. 2023](https://arxiv.org/abs/2303.01559)

    Args:
        num_classes: number of rows, at most the features' length.
        seed: of the random matrix; `None` takes Keras' global seed.
    """

    def __init__(self, num_classes, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.seed = seed

    def build(self, input_shape):
        self.axes = self.add_weight(
            name="axes",
            shape=(self.num_classes, input_shape[-1]),
            initializer=initializers.Orthogonal(seed=self.seed),
            trainable=False,
        )

    def call(self, features):
        return ops.abs(ops.matmul(features, ops.transpose(self.axes)))

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "seed": self.seed,
        }
