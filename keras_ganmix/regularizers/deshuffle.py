"""DeshuffleGAN: the discriminator tells how tiles were shuffled."""

import keras
from keras import ops

from keras_ganmix.ops.permutations import SELECTIONS, permutation_table
from keras_ganmix.ops.tiles import shuffle_tiles
from keras_ganmix.regularizers.arguments import (
    check_name,
    check_number,
    is_integer,
)
from keras_ganmix.regularizers.self_supervision import SelfSupervision


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Deshuffle(SelfSupervision):
    """Deshuffling of tiles as a self-supervised task (DeshuffleGAN).

    Images are cut into grid x grid tiles, which are put into one of K fixed
    orders, and a further head Q of the discriminator tells which. So it has to
    learn the structure of an image as a whole, and the generator to make
    images whose tiles can be put back. With S(x, r) the image whose tile t is
    tile P[r][t] of x and r uniform for each image,

        L_D = L_D^adv + discriminator_weight * E_real CE(Q(F(S(x, r))), r)
        L_G = L_G^adv + generator_weight * E_fake CE(Q(F(S(x, r))), r)

    with Q, the weights and the padding of the released code; `pooling` and
    `spectral_norm` choose between its heads: average and True for its SNGAN,
    flatten and False for its DCGAN (a convolution over the whole map, there
    two and without bias). Guessing gives a term of ln K, 3.40 for K = 30.

    Cost: one more trunk pass in the discriminator's step and one in the
    generator's.

    References:

    - [Baykal et al. 2022, Exploring DeshuffleGANs in Self-Supervised
      Generative Adversarial Networks](https://arxiv.org/abs/2011.01730)

    Args:
        grid: tiles per side, at least 2 and at most the image's side.
        permutations: K, how many orders, at least 2.
        selection: how the orders are chosen: `"affine"`, orders of largest
            distance in closed form (our choice; for grids of 2, 3, 4, 5, 7,
            8, 9), or `"greedy"`, the paper's rule.
        discriminator_weight: weight of the discriminator's term.
        generator_weight: weight of the generator's term.
        where: `"step"` or `"pipeline"`, where real images are shuffled.
        pooling: `"average"` or `"flatten"`, the head after a spatial trunk;
            see `SelfSupervision`.
        spectral_norm: whether the head is spectrally normalised.
        name: name of the terms and of the random draws.

    Raises:
        ValueError: for unknown names, more orders than there are, a grid
            larger than the image, and data that are not images.
    """

    def __init__(
        self,
        grid=3,
        permutations=30,
        selection="affine",
        discriminator_weight=1.0,
        generator_weight=0.5,
        where="step",
        pooling="average",
        spectral_norm=False,
        name=None,
    ):
        super().__init__(
            discriminator_weight,
            generator_weight,
            where,
            pooling,
            spectral_norm,
            name,
        )
        check_name("Deshuffle.selection", selection, SELECTIONS)
        for argument, value in (("grid", grid), ("permutations", permutations)):
            check_number(
                f"Deshuffle.{argument}",
                value,
                is_integer(2),
                "an integer of at least 2",
            )
        self.grid = grid
        self.permutations = permutations
        self.selection = selection
        try:
            self.table = permutation_table(grid, permutations, selection)
        except ValueError as error:
            raise ValueError(f"Deshuffle.{error}") from None

    @property
    def num_tasks(self):
        return self.permutations

    def check_images(self, image_shape):
        super().check_images(image_shape)
        height, width = image_shape[:2]
        if self.grid > min(height, width):
            raise ValueError(
                f"Deshuffle.grid: {self.grid} is not allowed for images of "
                f"{height} x {width} pixels; give at most "
                f"{min(height, width)}."
            )

    def transform(self, images, classes):
        orders = ops.take(self.table, classes, axis=0)
        return shuffle_tiles(images, orders, self.grid)
