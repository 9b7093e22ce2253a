"""What every metric asks of the arrays that it is given."""

import warnings

import numpy as np

RECOMMENDED_SAMPLES = 2048


def check_features(features, name="features", dimension=None):
    """Returns features as a float64 matrix, or says what is wrong with them.

    Args:
        features: array (N, D) of finite real numbers.
        name: the argument's name, for messages.
        dimension: D where it is known already.

    Returns:
        float64 array (N, D), C-contiguous.

    Raises:
        ValueError: not a matrix, another dimension, NaN or infinity.
    """
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(
            f"{name}: expected a matrix of shape (samples, dimension), got "
            f"shape {features.shape}; flatten each sample to one row."
        )
    if not (
        np.issubdtype(features.dtype, np.floating)
        or np.issubdtype(features.dtype, np.integer)
    ):
        raise ValueError(
            f"{name}: expected real numbers, got dtype {features.dtype}."
        )
    if dimension is not None and features.shape[1] != dimension:
        raise ValueError(
            f"{name}: dimension {features.shape[1]} does not match "
            f"{dimension}; both sides need the same extractor."
        )
    features = np.ascontiguousarray(features, dtype=np.float64)
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features).all(axis=1)).sum())
        raise ValueError(
            f"{name}: {bad} of {len(features)} samples hold NaN or infinity; "
            "look at the images that were scored (a diverged generator?)."
        )
    return features


def check_count(count, name="samples", minimum=2, advise=True):
    """Refuses fewer than `minimum` samples and warns below 2,048.

    Args:
        count: number of samples.
        name: what was counted, for messages.
        minimum: the least number with which the score is defined.
        advise: warn below `RECOMMENDED_SAMPLES`.

    Raises:
        ValueError: fewer than `minimum`.
    """
    if count < minimum:
        raise ValueError(
            f"{name}: {count} samples, but at least {minimum} are needed; "
            "give more images."
        )
    if advise and count < RECOMMENDED_SAMPLES:
        warnings.warn(
            f"{name}: only {count} samples. The Frechet distance is biased "
            f"upwards below {RECOMMENDED_SAMPLES}; the kernel distance "
            "(kernel_distance) is unbiased at any count.",
            stacklevel=3,
        )
