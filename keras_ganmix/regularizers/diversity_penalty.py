"""Diversity penalty on alike features of unlike latents (DPM)."""

import keras

from keras_ganmix.ops.similarity import WEIGHTINGS, diversity_penalty
from keras_ganmix.regularizers.arguments import (
    check_name,
    check_number,
    is_positive,
)
from keras_ganmix.regularizers.diversity import (
    FEATURES,
    Diversity,
    select_features,
)


@keras.saving.register_keras_serializable(package="keras_ganmix")
class DiversityPenalty(Diversity):
    """Penalises the generator where unlike latents give alike features.

    Similarities are cosines of latents and of the discriminator's features of
    the fakes, squashed by S = sigmoid(scale * cos). Over the pairs of a batch,

        L_G = L_G^adv + weight * mean_ij S_f(i, j) / (S_z(i, j) + 1e-8)

    The paper's equations are not public; this follows a third-party
    implementation that credits it, unverified, and `"threshold"` the words of
    the abstract: the mean of S_f over the pairs with cos_z < threshold. Pairs
    of different classes count like any other (our choice). The term trains
    only the generator, through the discriminator.

    With 100 latents or more nearly every pair weighs 2, so that the term is 2
    for a collapsed generator and 1 for orthogonal features. With 2 latents
    opposite pairs weigh up to 149: retune the weight.

    Cost: no pass, one matrix product of the features of a batch.

    References:

    - [Pei et al. 2021, Alleviating Mode Collapse in GAN via Diversity Penalty
      Module](https://arxiv.org/abs/2108.02353)

    Args:
        scale: s, the steepness of the sigmoid, above 0.
        weight: weight of the generator's term. The default is the largest
            that did no clear harm in short runs on mixtures of Gaussians; in
            longer ones with a slow discriminator modes were lost with it.
        latent_weighting: `"ratio"` or `"threshold"`.
        threshold: largest cosine of latents that counts as unlike, in [-1, 1];
            only for `"threshold"`.
        features: `"flattened"`, the whole feature map, or `"pooled"`, its
            average over positions. Which map it is decides the GAN's
            `feature_layer`.
        center: whether the batch's mean is first subtracted from the features.
            Features after a ReLU are never opposite otherwise; but a batch
            that has collapsed to one point is no longer seen.
        include_diagonal: whether a sample counts as a pair with itself, which
            adds a constant.
        name: name of the term.

    Raises:
        ValueError: for a scale or threshold outside its range, unknown names,
            and a batch of 1.
    """

    needs_features = True

    def __init__(
        self,
        scale=5.0,
        weight=0.01,
        latent_weighting="ratio",
        threshold=0.5,
        features="flattened",
        center=False,
        include_diagonal=False,
        name=None,
    ):
        super().__init__(weight, name)
        check_number(
            "DiversityPenalty.scale", scale, is_positive, "a number above 0"
        )
        check_name(
            "DiversityPenalty.latent_weighting", latent_weighting, WEIGHTINGS
        )
        check_number(
            "DiversityPenalty.threshold",
            threshold,
            lambda cosine: -1 <= cosine <= 1,
            "a cosine, in [-1, 1]",
        )
        check_name("DiversityPenalty.features", features, FEATURES)
        self.scale = scale
        self.latent_weighting = latent_weighting
        self.threshold = threshold
        self.features = features
        self.center = center
        self.include_diagonal = include_diagonal

    def penalty(self, context):
        return diversity_penalty(
            context.fake.latents,
            select_features(context.fake.features, self.features),
            scale=self.scale,
            weighting=self.latent_weighting,
            threshold=self.threshold,
            center=self.center,
            include_diagonal=self.include_diagonal,
        )
