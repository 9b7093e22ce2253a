"""Modes that diversity terms find, by weight, on two mixtures of Gaussians.

Prints one line of JSON for each mixture, method and weight: modes captured,
share of high quality and reverse KL of 2,500 samples, mean over the seeds and
over the last `--scored` of the scorings made during training.

The networks are those of the recipes `ring` and `grid`; rates and batch size
are chosen so that the plain GAN gets sharp within minutes.

    python benchmarks/diversity.py --steps 4000 --seeds 2
    python benchmarks/diversity.py --data ring --methods none DiversityPenalty \
        --steps 8000 --discriminator_rate 1e-4
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import keras
import numpy as np
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.metrics import modes
from keras_ganmix.networks import mlp

METHODS = {
    "none": (lambda weight: [], [0]),
    "DiversityPenalty": (
        lambda weight: [kgm.regularizers.DiversityPenalty(weight=weight)],
        [0.001, 0.01, 0.1, 1.0],
    ),
    "ModeSeeking": (
        lambda weight: [kgm.regularizers.ModeSeeking(weight=weight)],
        [0.001, 0.01, 0.1, 1.0],
    ),
    "GDPP": (
        lambda weight: [kgm.regularizers.GDPP(weight=weight)],
        [0.001, 0.01, 0.1, 1.0],
    ),
}


def train(mixture, regularizers, seed, arguments):
    """Trains a GAN and scores it every tenth of the way."""
    keras.utils.set_random_seed(seed)
    network = {"activation": "tanh", "orthogonal_gain": 1.4}
    gan = kgm.GAN(
        mlp.generator((2,), latent_dim=arguments.latent_dim, **network),
        mlp.discriminator((2,), **network),
        regularizers,
        ema_momentum=None,
        seed=seed,
    )
    gan.compile(
        generator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(
            arguments.discriminator_rate, beta_1=0.5
        ),
        jit_compile=False,
        steps_per_execution=50,
    )
    rng = np.random.default_rng(seed)
    centres = mixture.centres[rng.integers(len(mixture.centres), size=100_000)]
    points = centres + mixture.stddev * rng.normal(size=centres.shape)
    data = tf.data.Dataset.from_tensor_slices(points.astype("float32"))
    data = data.shuffle(100_000, seed=seed).repeat()
    data = data.batch(arguments.batch_size, drop_remainder=True)
    scores = []
    scoring = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: scores.append(
            modes.mode_coverage(gan.generate(2500, seed=1), mixture)
        )
    )
    gan.fit(
        data,
        epochs=10,
        steps_per_epoch=arguments.steps // 10,
        callbacks=[scoring],
        verbose=0,
    )
    return np.array(
        [
            (s.modes, s.high_quality, s.reverse_kl)
            for s in scores[-arguments.scored :]
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["ring", "grid"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--weights", nargs="+", type=float)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--scored", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--latent_dim", type=int, default=256)
    parser.add_argument("--discriminator_rate", type=float, default=1e-3)
    arguments = parser.parse_args()
    for name in arguments.data:
        mixture = getattr(modes, name)()
        for method in arguments.methods:
            make, weights = METHODS[method]
            for weight in arguments.weights or weights:
                scores = np.concatenate(
                    [
                        train(mixture, make(weight), seed, arguments)
                        for seed in range(arguments.seeds)
                    ]
                )
                found, quality, kl = scores.mean(0)
                result = {
                    "data": name,
                    "method": method,
                    "weight": weight,
                    "modes": round(found, 2),
                    "high_quality": round(100 * quality, 1),
                    "reverse_kl": round(kl, 3),
                }
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
