"""The runs of the fault campaign: small, and with everything in them."""

from pathlib import Path

import numpy as np
from PIL import Image

_RING = [
    "--recipe=ring",
    "--set=data.max_images=200",
    "--set=data.batch_size=16",
    "--set=generator.hidden=8",
    "--set=generator.latent_dim=4",
    "--set=generator.ema_momentum=0.9",
    "--set=discriminator.hidden=8",
    "--set=samples.count=9",
    "--set=evaluate.num_fake=50",
    "--set=evaluate.max_share=null",
]
_IMAGES = [
    "--recipe=quickstart",
    "--set=data.image_size=16",
    "--set=data.batch_size=8",
    "--set=generator.width=4",
    "--set=generator.latent_dim=8",
    "--set=discriminator.width=4",
    "--set=samples.count=4",
]


def ring(folder):
    """Lazy and warmed-up weights, statistics, decay, scores and the best."""
    return [
        *_RING,
        "--steps=60",
        "--set=train.log_every=4",
        "--set=samples.every=15",
        "--set=checkpoint.every=10",
        "--set=evaluate.every=12",
        "--set=optimizer.schedule={start: 20, final: 0.1}",
        "--set=regularizers=[LeCam, DiversityPenalty, "
        "{type: R1, weight: {value: 1, every: 4, warmup: 30}}]",
    ]


def short(folder):
    """The same without regularizers, for the short form."""
    return [
        *_RING,
        "--steps=20",
        "--set=train.log_every=2",
        "--set=samples.every=10",
        "--set=checkpoint.every=4",
        "--set=evaluate.every=5",
    ]


def garments(folder):
    """A controller of augmentation, and heads of self-supervised tasks."""
    return [
        *_IMAGES,
        "--steps=30",
        "--set=data.max_images=200",
        "--set=train.log_every=3",
        "--set=samples.every=7",
        "--set=checkpoint.every=5",
        "--set=regularizers=[{type: AdaptiveAugment, "
        "speed: 500, interval: 2}, Rotation, Deshuffle]",
        "--set=evaluate={every: 10, metrics: [spectra], num_fake: 64, "
        "max_share: null}",
    ]


def folder(folder):
    """Pictures decoded on the fly, mixed precision with loss scaling."""
    pictures = Path(folder) / "pictures"
    if not pictures.exists():
        numbers = np.random.default_rng(0)
        for i in range(60):
            path = pictures / f"class{i % 3}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = numbers.integers(0, 256, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(path)
    return [
        *_IMAGES,
        f"--set=data.source=folder:{pictures}",
        "--set=data.cache=none",
        "--set=data.flip=true",
        "--set=generator.conditional=true",
        "--steps=24",
        "--set=train.dtype=mixed_float16",
        "--set=train.discriminator_steps=2",
        "--set=train.log_every=5",
        "--set=samples.every=6",
        "--set=checkpoint.every=4",
        "--set=checkpoint.keep=1",
        "--set=loss=hinge",
    ]


RUNS = {
    "ring": ring,
    "garments": garments,
    "folder": folder,
    "short": short,
}
