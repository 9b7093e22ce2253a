"""Adversarial losses: one small class each, found by name with `get`.

Every loss takes logits d = D(x) of any shape and dtype, computes in float32 and
returns float32. With `r` the logits of real and `f` those of fake images,
`discriminator(r, f)` and `generator(f, r)` are scalars, means over all logits.
Constant factors are as in the papers' sums of expectations: there is no 1/2.
"""

import keras
from keras import ops

from keras_ganmix.utils.names import unknown

_register = keras.saving.register_keras_serializable(package="keras_ganmix")


class AdversarialLoss:
    """Base of the losses.

    A subclass either gives the elementwise `real_branch`, `fake_branch` and
    `generator_branch` and says `has_branches = True`, or overrides
    `discriminator` and `generator`.

    Attributes:
        needs_real: whether `generator` needs the logits of real images.
        has_branches: whether the three branches exist.
        targets: `(real_target, fake_target)`, the logits at which the branches
            of D are minimal, or `None` where they have no finite minimum.
    """

    needs_real = False
    has_branches = False
    targets = None

    def discriminator(self, real_logits, fake_logits):
        """Returns mean f_r(r) + mean f_f(f), a float32 scalar."""
        return ops.mean(self.real_branch(real_logits)) + ops.mean(
            self.fake_branch(fake_logits)
        )

    def generator(self, fake_logits, real_logits=None):
        """Returns mean g(f), a float32 scalar; reals are not used."""
        return ops.mean(self.generator_branch(fake_logits))

    def real_branch(self, logits):
        """Returns D's loss f_r of real logits, elementwise, float32."""
        raise self._no_branches()

    def fake_branch(self, logits):
        """Returns D's loss f_f of fake logits, elementwise, float32."""
        raise self._no_branches()

    def generator_branch(self, logits):
        """Returns G's loss of fake logits, elementwise, float32."""
        raise self._no_branches()

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def _no_branches(self):
        able = sorted(n for n, c in _LOSSES.items() if c.has_branches)
        return ValueError(
            f"loss: {type(self).__name__} has no separate branches for real "
            f"and fake logits; losses that have: {', '.join(able)}."
        )


@_register
class Logistic(AdversarialLoss):
    """Non-saturating logistic loss, Goodfellow et al. 2014.

    `f_r(d) = softplus(-d)`, `f_f(d) = softplus(d)`, `g(d) = softplus(-d)`: the
    cross-entropy of D and -log sigmoid(d) for G (section 3 of
    https://arxiv.org/abs/1406.2661). Equals tensorflow-gan's `modified_*`
    with `label_smoothing=0` (its default for D is 0.25).
    """

    has_branches = True

    def real_branch(self, logits):
        return ops.softplus(-_float(logits))

    def fake_branch(self, logits):
        return ops.softplus(_float(logits))

    def generator_branch(self, logits):
        return ops.softplus(-_float(logits))


@_register
class Minimax(Logistic):
    """Saturating logistic loss, equation 1 of Goodfellow et al. 2014.

    D as in `Logistic`; G minimises log(1 - sigmoid(d)), `g(d) = -softplus(d)`
    (https://arxiv.org/abs/1406.2661). tensorflow-gan's generator loss is lower
    by the constant softplus(-1) = 0.3133 and has the same gradient; its D
    smooths labels by 0.25 unless told not to.
    """

    def generator_branch(self, logits):
        return -ops.softplus(_float(logits))


@_register
class Hinge(AdversarialLoss):
    """Hinge loss, Lim & Ye 2017; Miyato et al. 2018.

    `f_r(d) = relu(1 - d)`, `f_f(d) = relu(1 + d)`, `g(d) = -d`
    (https://arxiv.org/abs/1705.02894; equations 16 and 17 of
    https://arxiv.org/abs/1802.05957). Equals tensorflow-gan's
    `wasserstein_hinge_*`.
    """

    has_branches = True
    targets = (1.0, -1.0)

    def real_branch(self, logits):
        return ops.relu(1.0 - _float(logits))

    def fake_branch(self, logits):
        return ops.relu(1.0 + _float(logits))

    def generator_branch(self, logits):
        return -_float(logits)


@_register
class LeastSquares(AdversarialLoss):
    """Least squares loss, Mao et al. 2017.

    `f_r(d) = (d - b)^2`, `f_f(d) = (d - a)^2`, `g(d) = (d - c)^2`
    (equation 2 of https://arxiv.org/abs/1611.04076, where each has a factor
    1/2; so has tensorflow-gan: these are twice its values).

    Args:
        fake_target: a, the logit D should give to fakes.
        real_target: b, the logit D should give to reals; not equal to a.
        generator_target: c, the logit that G wants for its fakes.

    Raises:
        ValueError: if the two targets of D are equal.
    """

    has_branches = True

    def __init__(self, fake_target=0.0, real_target=1.0, generator_target=1.0):
        if fake_target == real_target:
            raise ValueError(
                f"fake_target: {fake_target} equals real_target; the "
                "discriminator needs two different targets, such as 0 and 1."
            )
        self.fake_target = float(fake_target)
        self.real_target = float(real_target)
        self.generator_target = float(generator_target)

    @property
    def targets(self):
        return self.real_target, self.fake_target

    def real_branch(self, logits):
        return ops.square(_float(logits) - self.real_target)

    def fake_branch(self, logits):
        return ops.square(_float(logits) - self.fake_target)

    def generator_branch(self, logits):
        return ops.square(_float(logits) - self.generator_target)

    def get_config(self):
        return {
            "fake_target": self.fake_target,
            "real_target": self.real_target,
            "generator_target": self.generator_target,
        }


@_register
class Wasserstein(AdversarialLoss):
    """Wasserstein loss, Arjovsky et al. 2017.

    `f_r(d) = -d`, `f_f(d) = d`, `g(d) = -d`
    (https://arxiv.org/abs/1701.07875). D must be kept Lipschitz by other means,
    such as a gradient penalty. Equals tensorflow-gan's `wasserstein_*`.
    """

    has_branches = True

    def real_branch(self, logits):
        return -_float(logits)

    def fake_branch(self, logits):
        return _float(logits)

    def generator_branch(self, logits):
        return -_float(logits)


class _RelativisticAverage(AdversarialLoss):
    """Each logit is compared with the mean of the other side's.

    `L_D = mean a(r - mean f) + mean b(f - mean r)` and
    `L_G = mean a(f - mean r) + mean b(r - mean f)`, for the functions
    `_above` (a) and `_below` (b) of the subclass. Means are those of the batch
    of one replica.
    """

    needs_real = True

    def discriminator(self, real_logits, fake_logits):
        """Returns L_D, a float32 scalar."""
        real, fake = _float(real_logits), _float(fake_logits)
        return ops.mean(self._above(real - ops.mean(fake))) + ops.mean(
            self._below(fake - ops.mean(real))
        )

    def generator(self, fake_logits, real_logits=None):
        """Returns L_G, a float32 scalar.

        Raises:
            ValueError: if `real_logits` is not given.
        """
        return self.discriminator(
            fake_logits, _given(real_logits, type(self).__name__)
        )


@_register
class RelativisticAverageLogistic(_RelativisticAverage):
    """Relativistic average logistic loss, Jolicoeur-Martineau 2018.

    `a(d) = softplus(-d)`, `b(d) = softplus(d)` with
    `L_D = mean a(r - mean f) + mean b(f - mean r)` and r, f exchanged for G
    (RaSGAN, https://arxiv.org/abs/1807.00734). Sums as in the paper and in
    tensorflow-gan's `relativistic_*`; the author's code halves them.
    """

    def _above(self, logits):
        return ops.softplus(-logits)

    def _below(self, logits):
        return ops.softplus(logits)


@_register
class RelativisticAverageLeastSquares(_RelativisticAverage):
    """Relativistic average least squares loss, Jolicoeur-Martineau 2018.

    `a(d) = (d - 1)^2`, `b(d) = (d + 1)^2` with
    `L_D = mean a(r - mean f) + mean b(f - mean r)` and r, f exchanged for G
    (RaLSGAN, https://arxiv.org/abs/1807.00734).
    """

    def _above(self, logits):
        return ops.square(logits - 1.0)

    def _below(self, logits):
        return ops.square(logits + 1.0)


@_register
class RelativisticAverageHinge(_RelativisticAverage):
    """Relativistic average hinge loss, Jolicoeur-Martineau 2018.

    `a(d) = relu(1 - d)`, `b(d) = relu(1 + d)` with
    `L_D = mean a(r - mean f) + mean b(f - mean r)` and r, f exchanged for G
    (RaHingeGAN, https://arxiv.org/abs/1807.00734).
    """

    def _above(self, logits):
        return ops.relu(1.0 - logits)

    def _below(self, logits):
        return ops.relu(1.0 + logits)


@_register
class RelativisticPairing(AdversarialLoss):
    """Relativistic pairing loss (RpGAN, used by R3GAN).

    `L_D = mean softplus(-(r - f))`, `L_G = mean softplus(-(f - r))`, the i-th
    real paired with the i-th fake (Jolicoeur-Martineau 2018,
    https://arxiv.org/abs/1807.00734; Huang et al. 2024,
    https://arxiv.org/abs/2501.05441).
    """

    needs_real = True

    def discriminator(self, real_logits, fake_logits):
        """Returns L_D, a float32 scalar.

        Raises:
            ValueError: if the logits differ in shape.
        """
        real, fake = _float(real_logits), _float(fake_logits)
        if not _same_shape(real.shape, fake.shape):
            raise ValueError(
                "fake_logits: relativistic pairing needs one fake for each "
                f"real, got shapes {tuple(fake.shape)} and "
                f"{tuple(real.shape)}."
            )
        return ops.mean(ops.softplus(fake - real))

    def generator(self, fake_logits, real_logits=None):
        """Returns L_G, a float32 scalar.

        Raises:
            ValueError: if `real_logits` is not given or differs in shape.
        """
        return self.discriminator(
            fake_logits, _given(real_logits, type(self).__name__)
        )


_LOSSES = {
    "hinge": Hinge,
    "least_squares": LeastSquares,
    "logistic": Logistic,
    "minimax": Minimax,
    "relativistic_average_hinge": RelativisticAverageHinge,
    "relativistic_average_least_squares": RelativisticAverageLeastSquares,
    "relativistic_average_logistic": RelativisticAverageLogistic,
    "relativistic_pairing": RelativisticPairing,
    "wasserstein": Wasserstein,
}

NAMES = tuple(_LOSSES)


def get(identifier):
    """Returns the loss that `identifier` names, describes or is.

    Args:
        identifier: a name of `NAMES`; a dictionary with `"name"` and the
            arguments of that loss; the dictionary of
            `keras.saving.serialize_keras_object`; or an `AdversarialLoss`,
            which is returned as it is.

    Raises:
        ValueError: for an unknown name or argument, or anything else.
    """
    if isinstance(identifier, str):
        if identifier not in _LOSSES:
            raise ValueError(unknown("loss", identifier, _LOSSES))
        return _LOSSES[identifier]()
    if isinstance(identifier, dict) and "class_name" in identifier:
        return get(keras.saving.deserialize_keras_object(identifier))
    if isinstance(identifier, dict) and "name" in identifier:
        arguments = dict(identifier)
        cls = type(get(arguments.pop("name")))
        allowed = cls().get_config()
        for argument in arguments:
            if argument not in allowed:
                raise ValueError(
                    unknown(
                        f"argument of loss {identifier['name']!r}:",
                        argument,
                        allowed,
                    )
                )
        return cls(**arguments)
    if isinstance(identifier, AdversarialLoss):
        return identifier
    raise ValueError(
        f"loss: got {identifier!r}; pass a name ({', '.join(_LOSSES)}), a "
        "dictionary with 'name', or an AdversarialLoss."
    )


def _float(logits):
    return ops.cast(logits, "float32")


def _given(real_logits, name):
    if real_logits is None:
        raise ValueError(
            f"real_logits: {name}.generator needs the logits of real images; "
            "pass them (`needs_real` is True)."
        )
    return real_logits


def _same_shape(a, b):
    return len(a) == len(b) and all(
        x is None or y is None or x == y for x, y in zip(a, b, strict=True)
    )
