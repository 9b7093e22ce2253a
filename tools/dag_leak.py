"""Does an augmentation leak into what the generator makes?

    python -m tools.dag_leak

The data are one Gaussian in the plane, N((2, 0), 0.2^2 I), augmented by
rotations of 90, 180 and 270 degrees about the origin. Three ways to use them:

- real_only: the discriminator gets rotated real points, all angles alike;
- shared: it gets equally rotated real and generated points;
- dag: DAG, a head for each angle;

the latter two with the weight 3, by which each angle counts as much as the
identity, and with 0.2, that of the released code (`_light`).

Writes a picture and the counts of generated points near the four centres,
`docs/images/dag_leak.png` and `.json`. Ten minutes for ten seeds on one core.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.regularizers import DAG, R1

CENTRES = np.array([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]])
STDDEV = 0.2
RADIUS = 0.6
EQUAL = {"weight": 3.0, "generator_weight": 3.0}
LIGHT = {"weight": 0.2, "generator_weight": 0.2}
METHODS = {
    "real_only": EQUAL | {"heads": "shared", "real_only": True},
    "shared": EQUAL | {"heads": "shared"},
    "dag": EQUAL,
    "shared_light": LIGHT | {"heads": "shared"},
    "dag_light": LIGHT,
}
TITLES = {
    "real_only": "only the real points\nare rotated",
    "shared": "both are rotated,\none head for all angles",
    "dag": "DAG: both are rotated,\na head for each angle",
    "shared_light": "one head,\nweight 0.2",
    "dag_light": "DAG,\nweight 0.2",
}


def data(seed, batch_size):
    """Endless batches of points."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((20_000, 2))
    points = (CENTRES[0] + STDDEV * noise).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices(points)
    dataset = dataset.shuffle(len(points), seed=seed).repeat()
    return dataset.batch(batch_size, drop_remainder=True)


def train(method, seed, steps=2000, batch_size=128):
    """Trains a small GAN and returns 2,000 of its points, `(2000, 2)`."""
    keras.utils.set_random_seed(seed)
    gan = kgm.GAN(
        kgm.networks.mlp.generator((2,), latent_dim=4, hidden=32),
        kgm.networks.mlp.discriminator((2,), hidden=64),
        [DAG("rotation", **METHODS[method]), R1(0.05)],
        ema_momentum=0.99,
        seed=seed,
    )
    gan.compile(
        loss="logistic",
        generator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        steps_per_execution=50,
    )
    gan.fit(data(seed, batch_size), steps_per_epoch=steps, verbose=0)
    return gan.generate(2000, seed=seed, batch_size=2000)


def shares(points):
    """Share of the points within 0.6 of each centre, `(4,)`."""
    distances = np.linalg.norm(points[:, None] - CENTRES, axis=-1)
    return (distances < RADIUS).mean(axis=0)


def verdict(found):
    """What a generator has learned, by the shares near the centres."""
    if found[0] > 0.9:
        return "at the data"
    if (found > 0.05).all():
        return "at all four"
    return "elsewhere" if found[0] < 0.05 else "partly at the data"


def draw(points, results, path):
    """A panel per method: the points of one run of each verdict."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    colors = {
        "at the data": "tab:blue",
        "at all four": "tab:red",
        "elsewhere": "tab:orange",
        "partly at the data": "tab:purple",
    }
    figure, axes = plt.subplots(1, len(METHODS), figsize=(14, 4.2))
    circle = np.linspace(0, 2 * np.pi, 100)
    circle = RADIUS * np.stack([np.cos(circle), np.sin(circle)], axis=1)
    for axis, method in zip(axes, METHODS, strict=True):
        for i, centre in enumerate(CENTRES):
            kind = {"color": "black"} if i == 0 else {"color": "0.6", "ls": ":"}
            axis.plot(*(centre + circle).T, lw=1, **kind)
        axis.annotate("data", (2, 0.72), ha="center")
        counts = results[method]["verdicts"]
        for kind, count in sorted(counts.items(), key=lambda pair: -pair[1]):
            label = f"{count} of {sum(counts.values())} runs: {kind}"
            axis.scatter(
                *points[method][kind].T,
                s=4,
                lw=0,
                color=colors[kind],
                alpha=0.5,
            )
            axis.scatter([], [], s=20, color=colors[kind], label=label)
        axis.legend(loc="lower center", fontsize=8, frameon=False)
        axis.set_title(TITLES[method], fontsize=10)
        axis.set(xlim=(-3, 3), ylim=(-4, 3), aspect="equal")
        axis.set(xticks=[], yticks=[])
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.88, wspace=0.03)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    root = pathlib.Path(__file__).parent.parent
    out = options.out or root / "docs" / "images"
    out.mkdir(parents=True, exist_ok=True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    results, shown = {}, {}
    for method in METHODS:
        found, verdicts, samples = [], {}, {}
        start = time.perf_counter()
        for seed in range(options.seeds):
            points = train(method, seed, options.steps)
            found.append(shares(points))
            kind = verdict(found[-1])
            verdicts[kind] = verdicts.get(kind, 0) + 1
            samples.setdefault(kind, points)
            print(method, seed, kind, np.round(found[-1], 3), flush=True)
        shown[method] = samples
        results[method] = {
            "verdicts": verdicts,
            "shares": np.round(found, 4).tolist(),
            "seconds": round(time.perf_counter() - start, 1),
        }
    lines = [f'"{name}": {json.dumps(r)}' for name, r in results.items()]
    text = "{\n" + ",\n".join([f'"steps": {options.steps}', *lines]) + "\n}\n"
    (out / "dag_leak.json").write_text(text)
    draw(shown, results, out / "dag_leak.png")


if __name__ == "__main__":
    main()
