"""Do generated images teach a classifier? Classifiers x amounts of data.

    python benchmarks/evidence/augmentation.py --out evidence/augmentation

For each number of labelled images of Fashion-MNIST (1,000 and 6,000) and each
seed, which also draws the images, four classifiers: of the images alone
(plain), with classical augmentation, and with samples of a conditional WGAN-GP
that was trained on the same images, without and with the diversity penalty.
All have the same network, batches of 64 and number of steps.

Each arm has two settings (SETTINGS); the better one on a validation split,
2,000 labelled training images that are in no set, is tested on the 10,000 test
images. Plain's two are learning rates; the better one is that of the other arms
of the same images, so that a difference between arms is not one of rates.

GANs are trained by `train` in processes of their own, classifiers here, with
one thread. Stop it at any time and start it again: nothing is repeated. The
results are in OUT/augmentation.json, written anew after each classifier. With
that file alone another machine goes on where this one ended.
"""

import argparse
import functools
import itertools
import json
import os
import pathlib
import sys
import time

import numpy as np

from keras_ganmix import recipes
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.sweeping.results import make_row
from keras_ganmix.sweeping.workers import Worker, listening, work
from keras_ganmix.utils import cli
from keras_ganmix.utils.files import write_json

SIZE = 32
BATCH = 64
STEPS = 1500
WIDTH = 16
VALIDATION = 2000
FAKES = 10_000

# The recipe's DCGAN, conditional and half as wide: a step of the SNGAN of
# fashion_mnist_conditional takes seven times as long.
RECIPE = "quickstart"
GAN = [
    "data.source=fashion_mnist",
    "generator.width=32",
    "generator.conditional=true",
    "discriminator.normalization=none",
    "loss=wasserstein",
    "optimizer.generator.beta_1=0.0",
    "optimizer.generator.beta_2=0.9",
    "optimizer.discriminator.beta_1=0.0",
    "optimizer.discriminator.beta_2=0.9",
    "regularizers.0=GradientPenalty",
    "train.discriminator_steps=2",
    "train.steps=2000",
    "samples.every=500",
    "checkpoint.every=500",
    "checkpoint.keep=1",
]
GANS = {"wgan_gp": [], "wgan_gp_dpm": ["regularizers.1=DiversityPenalty"]}
# What is tried of each: learning rates of plain, shifts by so many pixels and
# flips, the share of generated images in a batch.
PLAIN = {"shift": 0, "flip": False, "share": 0.0}
SETTINGS = {
    "plain": [
        {**PLAIN, "learning_rate": 2e-3},
        {**PLAIN, "learning_rate": 5e-4},
    ],
    "classical": [
        {**PLAIN, "shift": 2, "flip": True},
        {**PLAIN, "flip": True},
    ],
    "wgan_gp": [{**PLAIN, "share": 0.25}, {**PLAIN, "share": 0.5}],
    "wgan_gp_dpm": [{**PLAIN, "share": 0.25}, {**PLAIN, "share": 0.5}],
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=pathlib.Path, required=True, help="folder of all")
    add("--images", default="1000,6000", help="default 1000,6000")
    add("--seeds", default="0,1,2", help="default 0,1,2")
    add("--set", action="append", default=[], help="change to all GANs")
    add("--steps", type=int, default=STEPS, help=f"default {STEPS}")
    add("--processes", type=int, default=1, help="GANs at a time, default 1")
    arguments = parser.parse_args()
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"
    experiment = Experiment(arguments)
    with listening() as stop:
        experiment.train_gans(stop)
        experiment.train_classifiers(stop)
    if stop.received is not None:
        _say("stopped; start it again to go on")
        return cli.STOPPED + stop.received
    return cli.FAILED_RUN if experiment.failed else cli.DONE


class Experiment:
    """All GANs and classifiers."""

    def __init__(self, arguments):
        self.out, self.changes = arguments.out, arguments.set
        self.steps, self.processes = arguments.steps, arguments.processes
        self.seeds = [int(word) for word in arguments.seeds.split(",")]
        self.images = [int(word) for word in arguments.images.split(",")]
        self.failed = []
        self.path = self.out / "augmentation.json"
        self.runs, self.times = [], {}
        if self.path.exists():
            found = json.loads(self.path.read_text())
            now = json.loads(json.dumps(self._settings()))
            if {key: found[key] for key in now} != now:
                raise SystemExit(
                    f"error: {self.path} was made with other settings; use "
                    "another --out"
                )
            self.runs, self.times = found["runs"], found["gan_cpu_seconds"]

    # GANs.

    def folder(self, gan, images, seed):
        return RunFolder(self.out / f"{gan}-{images}" / f"seed-{seed}")

    def words(self, gan, images, seed):
        """Of the command `train`, but the place."""
        changes = [*GAN, *GANS[gan], f"data.max_images={images}"]
        changes += [f"data.seed={seed}", f"train.seed={seed}", *self.changes]
        return [f"--recipe={RECIPE}", *(f"--set={c}" for c in changes)]

    def is_trained(self, cell):
        path = self.folder(*cell).summary
        if not path.exists():
            return False
        summary = json.loads(path.read_text())
        return summary["status"] == "done"

    def train_gans(self, stop):
        """Trains those that are left, until a signal comes.

        The GAN of a classifier that is done is not needed any more.
        """
        cells = [
            (gan, images, seed)
            for seed in self.seeds
            for images in self.images
            for gan in GANS
        ]
        left = [
            cell
            for cell in cells
            if self._find(*cell) is None and not self.is_trained(cell)
        ]
        _say(f"{len(cells)} GANs, {len(left)} left")

        def start(cell):
            _say(f"GAN {cell}: begins")
            place = self.folder(*cell).path
            words = [sys.executable, "-m", "keras_ganmix.train"]
            words += [*self.words(*cell), f"--run_dir={place}"]
            return Worker(words, place.with_suffix(".log"), 1, 10)

        def end(cell, worker):
            self.add_time(cell, worker.cpu_seconds)
            if not self.is_trained(cell) and stop.received is None:
                self.failed.append(cell)
                _say(f"GAN {cell}: {worker.last_words()}")

        work(left, start, end, self.processes, stop)

    def time_file(self, cell):
        return self.folder(*cell).path.with_suffix(".json")

    def time_of(self, cell):
        """Processor seconds of all processes that trained a GAN."""
        path = self.time_file(cell)
        if path.exists():
            return json.loads(path.read_text())["cpu_seconds"]
        return self.times.get("-".join(map(str, cell)), 0)

    def add_time(self, cell, seconds):
        found = {"cpu_seconds": round(self.time_of(cell) + seconds, 1)}
        write_json(self.time_file(cell), found)

    # Classifiers.

    def train_classifiers(self, stop):
        """Trains those that are left, until a signal comes."""
        for seed in self.seeds:
            for images in self.images:
                for arm in SETTINGS:
                    if arm in GANS and not self.is_trained((arm, images, seed)):
                        continue
                    found = self._find(arm, images, seed)
                    if stop.received is None and found is None:
                        run = self._run(arm, images, seed)
                        self.runs.append(run)
                        self.write()
                        _say(
                            f"{arm}, {images} images, seed {seed}: "
                            f"{run['accuracy']:.4f}"
                        )

    def _find(self, *cell):
        """What was recorded of an arm, a number of images and a seed."""
        for run in self.runs:
            if (run["arm"], run["images"], run["seed"]) == cell:
                return run
        return None

    def _run(self, arm, images, seed):
        """Trains an arm's two settings; tests the better one."""
        begin = time.process_time()
        real = real_images(images, seed)
        validation, test = validation_images(images, seed), test_images()
        fakes = None
        if arm in GANS:
            fakes = generated(self.folder(arm, images, seed).path, seed)
        tried = []
        rate = self._rate(images, seed)
        for setting in SETTINGS[arm]:
            whole = {"learning_rate": rate, **setting}
            model = self._train(real, fakes, whole, seed)
            tried.append((accuracy(model, *validation), setting, model))
        best = max(tried, key=lambda found: found[0])
        return {
            "arm": arm,
            "images": images,
            "seed": seed,
            "accuracy": accuracy(best[2], *test),
            "setting": best[1],
            "validation": [found[0] for found in tried],
            "cpu_seconds": round(time.process_time() - begin, 1),
        }

    def _rate(self, images, seed):
        """The learning rate that plain chose with these images, if it has."""
        found = self._find("plain", images, seed)
        return found and found["setting"]["learning_rate"]

    def _train(self, real, fakes, setting, seed):
        from keras_ganmix.metrics import probes

        model = probes.build((SIZE, SIZE, 1), 10, seed, WIDTH)
        few = 0 if fakes is None else round(BATCH * setting["share"])

        def batches(step):
            rng = np.random.default_rng([seed, step])
            x, y = draw(real, BATCH - few, rng)
            if few:
                pairs = zip((x, y), draw(fakes, few, rng), strict=True)
                x, y = (np.concatenate(pair) for pair in pairs)
            return augment(x, setting, rng) / np.float32(127.5) - 1, y

        probes.train(model, batches, self.steps, setting["learning_rate"])
        return model

    def _settings(self):
        """What all runs must have in common."""
        return {
            "settings": SETTINGS,
            "steps": self.steps,
            "width": WIDTH,
            "batch": BATCH,
            "fakes": FAKES,
            "validation": VALIDATION,
            "gan": recipes.load(RECIPE, [*GAN, *self.changes]).to_dict(),
            "gans": GANS,
        }

    def write(self):
        """Writes what is known into `augmentation.json`."""
        values = {}
        for run in self.runs:
            name = f"accuracy, {run['images']} images"
            own = values.setdefault(name, {}).setdefault(run["arm"], {})
            own[run["seed"]] = run["accuracy"]
        cells = itertools.product(GANS, self.images, self.seeds)
        found = {
            "images": sorted({*self.images, *(r["images"] for r in self.runs)}),
            "seeds": sorted({*self.seeds, *(r["seed"] for r in self.runs)}),
            "gan_cpu_seconds": self.times
            | {"-".join(map(str, cell)): self.time_of(cell) for cell in cells},
            **self._settings(),
            "commands": {
                gan: " ".join(self.words(gan, "N", "S")) for gan in GANS
            },
            "runs": self.runs,
            "table": [
                make_row(
                    name,
                    "plain",
                    [arm for arm in SETTINGS if arm in by_arm],
                    by_arm,
                    {},
                    "higher",
                )
                for name, by_arm in values.items()
            ],
        }
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(self.path, found)


# Images, uint8 (N, 32, 32, 1), and labels, int (N,).


def load(**arguments):
    from keras_ganmix import data

    source = data.load("fashion_mnist", image_size=SIZE, **arguments)
    return source.images, source.labels


@functools.lru_cache(maxsize=1)
def real_images(images, seed):
    return load(max_images=images, seed=seed)


@functools.lru_cache(maxsize=1)
def test_images():
    return load(split="test")


@functools.lru_cache(maxsize=1)
def validation_images(images, seed):
    """Training images that no classifier or GAN of this seed has seen."""
    x, y = load()
    seen = {image.tobytes() for image in real_images(images, seed)[0]}
    order = np.random.default_rng([seed, images]).permutation(len(x))
    rows = [i for i in order if x[i].tobytes() not in seen][:VALIDATION]
    return x[rows], y[rows]


def generated(run, seed):
    from keras_ganmix.trained import load_generator

    labels = np.arange(FAKES, dtype=np.int32) % 10
    generator, _ = load_generator(run)
    return generator.generate(FAKES, labels, seed=seed), labels


def draw(pool, n, rng):
    rows = rng.integers(len(pool[0]), size=n)
    return pool[0][rows], pool[1][rows]


def augment(images, setting, rng):
    """Images moved by whole pixels, the border black, and flipped."""
    if setting["flip"]:
        flips = rng.random(len(images)) < 0.5
        images = np.where(
            flips[:, None, None, None], images[:, :, ::-1], images
        )
    by = setting["shift"]
    if by:
        padded = np.pad(images, [(0, 0), (by, by), (by, by), (0, 0)])
        moves = rng.integers(2 * by + 1, size=(len(images), 2))
        images = np.stack(
            [
                image[y : y + SIZE, x : x + SIZE]
                for image, (y, x) in zip(padded, moves, strict=True)
            ]
        )
    return images


def accuracy(model, images, labels):
    from keras_ganmix.metrics import probes

    images = images / np.float32(127.5) - 1
    return float(np.mean(probes.classify(model, images) == labels))


def _say(text):
    cli.say(text, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
