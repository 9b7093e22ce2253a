"""Makes the pictures of docs/methods: `docs/images/preview_*.png`.

    python tools/preview_pictures.py [NAME ...]

Fakes and gradients come from a short run of the quickstart recipe, which is
trained first if it is not there; minutes on two CPU cores. Colours need the
emoji source (Debian's fonts-noto-color-emoji).
"""

import argparse
import io
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from PIL import Image

from keras_ganmix import previews, recipes, train
from keras_ganmix.recipes.source import open_source
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.utils.files import atomic_path
from keras_ganmix.utils.panels import draw

ROOT = Path(__file__).resolve().parents[1]
STEPS = 1200
MOST_BYTES = 150_000

# For each picture the recipe, its regularizers and other changes. Those of
# quickstart use the trained run.
PICTURES = {
    "sample_mixing": (
        "quickstart",
        [
            {"type": "SampleMixing", "mask": mask, "name": mask}
            for mask in ("mixup", "cutmix", "srmix")
        ],
    ),
    # A seed whose lambda, one for the batch, is about 1/2.
    "adaptive_mix": ("quickstart", [{"type": "AdaptiveMix"}], "train.seed=4"),
    "dag": (
        "quickstart",
        [{"type": "DAG", "policy": ["rotation", "cropping", "cutout"]}],
    ),
    "gradient_penalty": (
        "quickstart",
        [
            {"type": "R1"},
            {"type": "GradientPenalty", "kind": "wgan_gp", "name": "wgan_gp"},
            {"type": "GradientPenalty", "kind": "dragan", "name": "dragan"},
        ],
    ),
    "consistency": (
        "quickstart",
        [
            {"type": "Consistency", "kind": kind, "name": kind}
            for kind in ("bcr", "zcr")
        ],
    ),
    "deshuffle": ("quickstart", [{"type": "Deshuffle"}]),
    "rotation": ("quickstart", [{"type": "Rotation"}]),
    "diversity_penalty": ("quickstart", [{"type": "DiversityPenalty"}]),
    "mode_seeking_gdpp": (
        "quickstart",
        [{"type": "ModeSeeking"}, {"type": "GDPP"}],
    ),
    "diff_augment": ("emoji_dcgan", [{"type": "DiffAugment"}]),
    "adaptive_augment": ("emoji_dcgan", [{"type": "AdaptiveAugment"}]),
}


def trained(folder):
    """The `RunFolder` of a trained quickstart run."""
    run = RunFolder(folder)
    if not run.has_checkpoint():
        train.main(
            [
                "train",
                "--recipe=quickstart",
                f"--steps={STEPS}",
                f"--run_dir={folder}",
            ]
        )
    return run


def picture(name, folder):
    """The panels of one picture as a uint8 array."""
    base, regularizers, *changes = PICTURES[name]
    changes += [
        f"regularizers.{i}={section}" for i, section in enumerate(regularizers)
    ]
    run = trained(folder) if base == "quickstart" else None
    recipe = recipes.load(base, changes)
    return draw(previews.panels(recipe, open_source(recipe), run))


def write(path, pixels):
    """Writes a PNG, of 256 colours if it is large otherwise."""
    image = Image.fromarray(pixels)
    for small in (image, image.quantize(256, dither=Image.Dither.NONE)):
        buffer = io.BytesIO()
        small.save(buffer, format="PNG", optimize=True)
        if buffer.tell() < MOST_BYTES:
            break
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help=", ".join(PICTURES))
    parser.add_argument("--run_dir", default=ROOT / "build" / "preview_run")
    options = parser.parse_args()
    unknown = set(options.names) - set(PICTURES)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not among the names")
    for name in options.names or PICTURES:
        path = ROOT / "docs" / "images" / f"preview_{name}.png"
        write(path, picture(name, options.run_dir))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
