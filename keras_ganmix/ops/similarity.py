"""Similarities within a batch and the diversity losses made of them.

Everything is computed in float32, whatever the dtype of the features: Gram
matrices of half-precision features would overflow.
"""

import tensorflow as tf
from keras import ops

from keras_ganmix.utils.names import unknown

WEIGHTINGS = ("ratio", "threshold")

# Eigenvalues of a cosine matrix sum to the batch size; below this distance
# their eigenvectors are taken as undefined and get a damped gradient.
_EIGENVALUE_GAP = 1e-3


def cosine_matrix(x, eps=1e-12):
    """Returns the cosine similarity of every pair of a batch.

    Args:
        x: features, shape (batch, ...), flattened per sample.
        eps: added to the squared norms, so that zero features have similarity
            0 and a finite gradient.

    Returns:
        float32 matrix of shape (batch, batch), in [-1, 1] up to rounding.
    """
    x = _unit_rows(_flatten(x), eps)
    return ops.matmul(x, ops.transpose(x))


def diversity_penalty(
    latents,
    features,
    scale=5.0,
    weighting="ratio",
    threshold=0.0,
    center=False,
    include_diagonal=False,
):
    """Penalty on fakes that are alike though their latents are not.

    With cos_z and cos_f the cosines of latents and features and
    S = sigmoid(scale cos), `"ratio"` is the mean of S_f / (S_z + 1e-8) over
    pairs, `"threshold"` the mean of S_f over the pairs with cos_z < threshold
    (0 if there is none). After Pei et al. 2021
    (https://arxiv.org/abs/2108.02353), whose equations are not public: the
    ratio follows a third-party implementation, the threshold is the abstract's
    literal reading.

    Args:
        latents: shape (batch, latent_dim).
        features: features of the fakes, shape (batch, ...).
        scale: factor on the cosines before the sigmoid.
        weighting: `"ratio"` or `"threshold"`.
        threshold: largest cosine of latents that counts as unlike, for
            `"threshold"`.
        center: whether to subtract the batch's mean feature first. Features
            after a ReLU are never anti-correlated otherwise; but completely
            collapsed features become 0, with cosine 0.
        include_diagonal: whether i = j counts as a pair. It is constant for
            `"ratio"` and never unlike for `"threshold"`.

    Returns:
        float32 scalar.

    Raises:
        ValueError: for an unknown weighting.
    """
    if weighting not in WEIGHTINGS:
        raise ValueError(unknown("latent_weighting", weighting, WEIGHTINGS))
    features = _flatten(features)
    if center:
        features = features - ops.mean(features, axis=0, keepdims=True)
    likeness = ops.sigmoid(scale * cosine_matrix(features))
    cosine = cosine_matrix(latents)
    pairs = _pairs(cosine, include_diagonal)
    if weighting == "ratio":
        return _masked_mean(
            likeness / (ops.sigmoid(scale * cosine) + 1e-8), pairs
        )
    return _masked_mean(
        likeness, pairs * ops.cast(cosine < threshold, "float32")
    )


def mode_seeking_ratio(images_a, images_b, latents_a, latents_b):
    """Returns how far images move per movement of their latents.

    mean |x_a - x_b| / mean |z_a - z_b|, over the batch and all elements, as in
    the released code of MSGAN (Mao et al. 2019,
    https://arxiv.org/abs/1903.05628); G should make it large.

    Args:
        images_a: generated images, shape (batch, ...).
        images_b: images of the same shape, from other latents.
        latents_a: latents of `images_a`, shape (batch, latent_dim).
        latents_b: latents of `images_b`.

    Returns:
        float32 scalar; 0 where latents and images are equal.
    """
    images = ops.mean(ops.abs(_float(images_a) - _float(images_b)))
    latents = ops.mean(ops.abs(_float(latents_a) - _float(latents_b)))
    return images / ops.maximum(latents, 1e-8)


def mode_seeking_loss(images_a, images_b, latents_a, latents_b, eps=1e-5):
    """Returns 1 / (ratio + eps), the loss of MSGAN's released code.

    Args: as in `mode_seeking_ratio`; `eps` bounds the loss by 1 / eps.
    """
    return 1.0 / (
        mode_seeking_ratio(images_a, images_b, latents_a, latents_b) + eps
    )


def gdpp_terms(real_features, fake_features, signed=False):
    """The two terms of GDPP, Elfeki et al. 2019.

    With eigenvalues l and eigenvectors v of the cosine matrices of a real and a
    fake batch, both in ascending order (https://arxiv.org/abs/1812.00068, means
    and sums as in the authors' code):

        magnitude = mean_i (l_fake_i - l_real_i)^2
        structure = - sum_i w_i |cos(v_fake_i, v_real_i)|

    where w is l_real rescaled to [0, 1]. Their loss is
    structure + 1e-4 magnitude. They take the cosine with its sign, which is
    arbitrary for eigenvectors; the absolute value is our reading. Nearly equal
    eigenvalues get a damped gradient, since that of their eigenvectors does not
    exist.

    Args:
        real_features: shape (batch, ...); no gradient flows to them.
        fake_features: shape (batch, ...), the same batch size.
        signed: whether to take the cosine with its sign.

    Returns:
        Pair (magnitude, structure) of float32 scalars; the structure lies in
        [-batch, 0] unless signed.

    Raises:
        ValueError: if the static batch sizes differ.
    """
    fake, real = _flatten(fake_features), _flatten(real_features)
    if None not in (fake.shape[0], real.shape[0]) and (
        fake.shape[0] != real.shape[0]
    ):
        raise ValueError(
            f"fake_features: batch of {fake.shape[0]} differs from the "
            f"{real.shape[0]} real ones; pass equally many."
        )
    fake_values, fake_vectors = _eigh(cosine_matrix(fake))
    real_values, real_vectors = _eigh(ops.stop_gradient(cosine_matrix(real)))
    magnitude = ops.mean(ops.square(fake_values - real_values))
    smallest = ops.min(real_values)
    span = ops.max(real_values) - smallest
    weights = (real_values - smallest) / ops.maximum(span, 1e-10)
    cosine = ops.sum(fake_vectors * real_vectors, axis=0)
    if not signed:
        cosine = ops.abs(cosine)
    return magnitude, -ops.sum(ops.stop_gradient(weights) * cosine)


@tf.custom_gradient
def _eigh(matrix):
    values, vectors = tf.linalg.eigh(matrix)

    def gradient(values_upstream, vectors_upstream):
        gap = values[None, :] - values[:, None]
        inverse_gap = gap / (gap * gap + _EIGENVALUE_GAP**2)
        inner = inverse_gap * ops.matmul(
            ops.transpose(vectors), vectors_upstream
        )
        inner = inner + ops.diag(values_upstream)
        full = ops.matmul(ops.matmul(vectors, inner), ops.transpose(vectors))
        return 0.5 * (full + ops.transpose(full))

    return (values, vectors), gradient


def _float(x):
    return ops.cast(x, "float32")


def _flatten(x):
    x = _float(x)
    return ops.reshape(x, (ops.shape(x)[0], -1))


def _unit_rows(x, eps):
    square = ops.sum(ops.square(x), axis=1, keepdims=True)
    return x * ops.rsqrt(square + eps)


def _pairs(matrix, include_diagonal):
    ones = ops.ones_like(matrix, dtype="float32")
    if include_diagonal:
        return ones
    return ones - ops.eye(ops.shape(matrix)[0], dtype="float32")


def _masked_mean(matrix, mask):
    total = ops.sum(_float(matrix) * mask)
    return total / ops.maximum(ops.sum(mask), 1.0)
