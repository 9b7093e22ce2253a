"""GDPP: fakes should be as diverse as real images, direction by direction."""

import keras

from keras_ganmix.ops.similarity import gdpp_terms
from keras_ganmix.regularizers.arguments import (
    check_name,
    check_number,
    is_not_negative,
)
from keras_ganmix.regularizers.diversity import (
    FEATURES,
    Diversity,
    select_features,
)


@keras.saving.register_keras_serializable(package="keras_ganmix")
class GDPP(Diversity):
    """Matches the diversity of fakes to that of real images (GDPP).

    The kernel of a batch is the matrix of cosines between the discriminator's
    features. The generator matches the eigenvalues l and eigenvectors v of the
    fakes' kernel to those of the real images', sorted by eigenvalue:

        L_G = L_G^adv + weight * (structure + magnitude_weight * magnitude)
        magnitude = mean_i (l_fake_i - l_real_i)^2
        structure = -sum_i w_i |cos(v_fake_i, v_real_i)|

    with w the real eigenvalues rescaled to [0, 1]. The released code and the
    paper take the cosine with its sign, which is arbitrary for an eigenvector,
    so that results depend on the linear algebra library; we take its absolute
    value. Eigenvectors of nearly equal eigenvalues, which have no gradient,
    get a damped one. Both are our choices.

    Cost: one trunk pass over the real images in the generator's step, unless
    the loss judges them there anyway, and two eigendecompositions of batch
    size.

    References:

    - [Elfeki et al. 2019, GDPP: Learning Diverse Generations Using
      Determinantal Point Process](https://arxiv.org/abs/1812.00068)

    Args:
        weight: weight of the generator's term.
        magnitude_weight: weight of the magnitude within the term, at least 0:
            1e-4 in the released code, 1 in the paper.
        signed: whether to keep the sign of the cosine, as they do.
        features: `"flattened"`, the whole feature map, or `"pooled"`, its
            average over positions.
        name: name of the term.

    Raises:
        ValueError: for a negative weight, unknown names, and a batch of 1.
    """

    needs_features = True

    def __init__(
        self,
        weight=1.0,
        magnitude_weight=1e-4,
        signed=False,
        features="flattened",
        name=None,
    ):
        super().__init__(weight, name)
        check_number(
            "GDPP.magnitude_weight",
            magnitude_weight,
            is_not_negative,
            "a number of at least 0",
        )
        check_name("GDPP.features", features, FEATURES)
        self.magnitude_weight = magnitude_weight
        self.signed = signed
        self.features = features

    def penalty(self, context):
        magnitude, structure = gdpp_terms(
            select_features(context.real.features, self.features),
            select_features(context.fake.features, self.features),
            signed=self.signed,
        )
        return structure + self.magnitude_weight * magnitude
