"""Times of the scores, beside other implementations on the same features.

    python benchmarks/metrics.py [--dimensions 512 2048] [--rounds 3]

Frechet distance from statistics: this package, scipy's `sqrtm`, the formula
of pytorch-fid and torch-fidelity, interleaved in one run, with the relative
difference to scipy's result. Then every score of 10,000 fakes of 28 x 28
pixels with the extractor `fashion`. Needs scipy; pytorch-fid and
torch-fidelity are measured where they are installed.
"""

import argparse
import importlib.abc
import importlib.machinery
import os
import pathlib
import statistics
import sys
import tempfile
import time
import unittest.mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import scipy.linalg

from keras_ganmix.metrics import FeatureStatistics, frechet_distance


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Takes the place of torchvision, which the distances do not use."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != "torchvision":
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = unittest.mock.MagicMock(name=spec.name)
        module.__spec__ = spec
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


def scipy_sqrtm(mu1, sigma1, mu2, sigma2):
    root = scipy.linalg.sqrtm(sigma1 @ sigma2).real
    difference = mu1 - mu2
    return difference @ difference + np.trace(sigma1 + sigma2 - 2 * root)


def implementations():
    """Dict from name to function of (mu1, sigma1, mu2, sigma2)."""
    found = {"keras_ganmix": frechet_distance, "scipy sqrtm": scipy_sqrtm}
    sys.meta_path.insert(0, StandIn())
    try:
        from pytorch_fid.fid_score import calculate_frechet_distance

        found["pytorch-fid"] = calculate_frechet_distance
    except ImportError as error:
        print(f"pytorch-fid is left out: {error}")
    try:
        from torch_fidelity.metric_fid import fid_statistics_to_metric

        def torch_fidelity(mu1, sigma1, mu2, sigma2):
            one = {"mu": mu1, "sigma": sigma1}
            two = {"mu": mu2, "sigma": sigma2}
            metric = fid_statistics_to_metric(one, two, verbose=False)
            return metric["frechet_inception_distance"]

        found["torch-fidelity"] = torch_fidelity
    except ImportError as error:
        print(f"torch-fidelity is left out: {error}")
    return found


def gaussians(dimension, samples):
    """Two fitted Gaussians with a decaying spectrum, as features have."""
    rng = np.random.default_rng(dimension)
    scale = np.linspace(1, 20, dimension) ** -1.0
    result = []
    for shift in (0.0, 0.1):
        basis, _ = np.linalg.qr(rng.normal(size=(dimension, dimension)))
        features = rng.normal(size=(samples, dimension)) * scale @ basis
        result += FeatureStatistics().update(features + shift).gaussian()
    return result


def compare(dimension, samples, rounds, functions):
    arguments = gaussians(dimension, samples)
    kind = "full rank" if samples > dimension else "singular"
    print(f"\n{dimension} dimensions, {samples} samples ({kind})")
    seconds = {name: [] for name in functions}
    values = {}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            try:
                values[name] = float(function(*arguments))
            except (ValueError, np.linalg.LinAlgError) as error:
                print(f"  {name}: {error}")
                values[name] = float("nan")
            seconds[name].append(time.perf_counter() - start)
    own = statistics.median(seconds["keras_ganmix"])
    for name in functions:
        median = statistics.median(seconds[name])
        difference = abs(values[name] / values["scipy sqrtm"] - 1)
        print(
            f"  {name:<16}{median:8.3f} s  {median / own:6.1f} x  "
            f"value {values[name]:.9g}  off by {difference:.1e}"
        )


def score_garments(count):
    from keras_ganmix.data import load
    from keras_ganmix.metrics import Evaluator, get_extractor
    from keras_ganmix.metrics.scorers import SCORERS

    train = load("fashion_mnist_10k")
    reference = load("fashion_mnist_10k", split="test")
    fakes = [(train.images[:count], train.labels[:count])]
    extractor = get_extractor("fashion")
    extractor(train.images[:512])
    print(f"\n{count} fakes of 28 x 28 against {len(reference)}, with fashion")
    total = 0.0
    for name in [n for n in SCORERS if n != "modes"]:
        evaluator = Evaluator(
            reference, name, extractor, num_fake=count, floor=False
        )
        found = evaluator.evaluate(fakes)
        total += found.seconds
        print(f"  {name:<20}{found.seconds:8.2f} s")
    print(f"  {'sum of them':<20}{total:8.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--dimensions", type=int, nargs="+", default=[512, 2048]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num_fake", type=int, default=10_000)
    options = parser.parse_args()
    functions = implementations()
    for dimension in options.dimensions:
        compare(dimension, 3 * dimension, options.rounds, functions)
    compare(512, 300, options.rounds, functions)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KERAS_GANMIX_CACHE"] = folder
        score_garments(options.num_fake)


if __name__ == "__main__":
    main()
