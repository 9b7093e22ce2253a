"""Foreign images, told by their angle to the classes' main directions."""

import numpy as np


class ClassDirections:
    """One direction in feature space for each class, and angles to it.

    For each class, the first left singular vector u of the matrix whose
    columns are the features of its training images, neither centred nor
    normalised. An image with features f belongs the less to the data, the
    larger the smallest angle is:

        score = min over classes of arccos(|u . f| / |f|)

    It is between 0 and pi / 2; larger is more foreign. One pass per image.

    References:

    - [Zaeemzadeh et al. 2021](https://doi.org/10.1109/CVPR46437.2021.00933)
    - [Liu et al. 2023](https://arxiv.org/abs/2303.01559)

    Args:
        features: pooled features of training images, (N, D).
        labels: their classes, (N,).
        num_classes: number of classes; each must have an image.

    Raises:
        ValueError: if a class has no image, or numbers are not finite.
    """

    def __init__(self, features, labels, num_classes):
        features = _checked(features)
        directions = []
        for label in range(num_classes):
            own = features[np.asarray(labels) == label]
            if not len(own):
                raise ValueError(
                    f"labels: no image of class {label}, whose direction is "
                    "needed; use more images."
                )
            # Left singular vectors, from a matrix of D x D only.
            directions.append(np.linalg.eigh(own.T @ own)[1][:, -1])
        self.directions = np.stack(directions)

    def angles(self, features):
        """Smallest angle of each to the classes, (N,) in [0, pi / 2].

        Features that are all 0 have no direction: pi / 2.
        """
        features = _checked(features)
        length = np.linalg.norm(features, axis=1)
        cosine = np.abs(features @ self.directions.T).max(axis=1)
        cosine /= np.where(length > 0, length, 1.0)
        return np.arccos(np.clip(cosine, 0.0, 1.0))


def _checked(features):
    features = np.asarray(features, np.float64)
    if not np.isfinite(features).all():
        raise ValueError("features: some are NaN or infinite.")
    return features
