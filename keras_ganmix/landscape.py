"""Draws the loss around trained weights: `python -m keras_ganmix.landscape`."""

import contextlib
import dataclasses
import re
import sys
from pathlib import Path

from absl import flags

from keras_ganmix.utils import cli
from keras_ganmix.utils.tables import columns

SUMMARY = """
Draw the losses around the weights of trained GANs, term by term.

  python -m keras_ganmix.landscape runs/quickstart
  python -m keras_ganmix.landscape runs/plain runs/deshuffle runs/rotation \\
      --gradients --out landscapes
  python -m keras_ganmix.landscape runs/deshuffle --steps all --two

Weights are moved along random directions that are scaled to the length of
each filter (Li et al. 2018), the same ones for all runs, on fixed images and
random numbers; docs/landscape.md says how to read the pictures. The files of
the runs are not changed.

Exit codes: 0 done, 2 bad input, 3 a loss is NaN or infinite at a checkpoint
(the others are drawn), or a file could not be written, 130 stopped by Ctrl-C.
"""

WORDS = {
    "out": "FOLDER",
    "steps": "newest|all|LIST",
    "points": "N",
    "extent": "X",
    "directions": "N",
    "batches": "N",
    "seed": "N",
}


def _flags():
    options = cli.new_flags()

    def number(name, default, help, least):
        flags.DEFINE_integer(
            name, default, help, lower_bound=least, flag_values=options
        )

    def switch(name, help):
        flags.DEFINE_bool(name, False, help, flag_values=options)

    def text(name, default, help):
        flags.DEFINE_string(name, default, help, flag_values=options)

    text(
        "out",
        None,
        "Folder for the pictures, landscape.json and landscape.html. Default: "
        "landscape in the folder of the run; needed for several runs.",
    )
    text(
        "steps",
        "newest",
        "Checkpoints around which the landscape is drawn: newest, all, or "
        "comma-separated steps.",
    )
    number("points", 21, "Points along a line, an odd number.", 5)
    flags.DEFINE_float(
        "extent",
        1.0,
        "The line goes from minus to plus this, in lengths of the weights.",
        flag_values=options,
    )
    number("directions", 5, "Random directions.", 1)
    number("batches", 8, "Batches of images of which the mean is taken.", 1)
    number("seed", 0, "Seed of all that is drawn.", 0)
    switch(
        "two",
        "Also draw the plane of two orthogonal directions; takes as many "
        "points as the square of --points.",
    )
    switch(
        "gradients",
        "Also measure the cosine between the adversarial gradient and that of "
        "each regularizer, at every checkpoint that the runs have kept.",
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_landscape, argv, _flags(), SUMMARY, WORDS, words=True)


def _landscape(options, paths):
    """The story of the command."""
    from keras_ganmix.landscapes import subjects

    paths = list(dict.fromkeys(paths))
    _check(paths, options)
    steps = _steps(options.steps)
    out = _out(paths, options.out)
    with cli.bad_input():
        found = subjects.find(paths, steps)
    with cli.bad_input("out"):
        out.mkdir(parents=True, exist_ok=True)
    try:
        return _measure(found, options, out)
    finally:
        with contextlib.suppress(OSError):
            out.rmdir()  # if nothing was written


def _measure(subjects, options, out):
    with cli.without_startup_noise():
        from keras_ganmix import building
        from keras_ganmix.landscapes import measuring, survey

        building.start_devices()
    fields = [field.name for field in dataclasses.fields(measuring.Protocol)]
    protocol = measuring.Protocol(**{n: options[n].value for n in fields})
    try:
        with cli.bad_input(), cli.plain_warnings():
            looks = survey.survey(subjects, protocol, _say)
        _report(subjects, looks, protocol, out)
    except OSError as error:
        cli.complain(cli.one_line(error))
        return cli.FAILED_RUN
    failed = [look for look in looks if look.failure]
    for look in failed:
        cli.complain(
            f"{look.subject.folder.path}, step {look.step}: {look.failure}"
        )
    return cli.FAILED_RUN if failed else cli.DONE


def _say(text):
    cli.say(f"landscape: {text}", sys.stderr)


def _check(paths, options):
    if not paths:
        raise cli.UsageError("no runs; name their folders")
    if options.points % 2 == 0:
        raise cli.UsageError(
            f"--points: {options.points} is even, and the weights themselves "
            f"would be no point; give {options.points + 1}"
        )
    if not 0 < options.extent < float("inf"):
        raise cli.UsageError(
            f"--extent: {options.extent:g} is not allowed; give a number "
            "above 0"
        )


def _steps(text):
    if text in ("newest", "all"):
        return text
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise cli.UsageError(
            f"--steps: got {text!r}; allowed: newest, all, or comma-separated "
            "steps"
        )
    return sorted({int(step) for step in text.split(",")})


def _out(paths, out):
    """The folder to write to."""
    if out is None and len(paths) > 1:
        raise cli.UsageError("--out: missing; several runs need a folder")
    return Path(paths[0]) / "landscape" if out is None else Path(out)


def _report(subjects, looks, protocol, out):
    """Prints the tables, and writes numbers, pictures and page."""
    from keras_ganmix.landscapes import page, report
    from keras_ganmix.utils.files import write_json, write_text

    drawn = [look for look in looks if look.lines]
    tables = [
        ("Lines", *report.summary_rows(drawn, protocol.alphas), report.LEGEND),
        ("Gradients", *report.angle_rows(looks), report.ANGLES_LEGEND),
    ]
    tables = [table for table in tables if table[2]]
    for _, heads, rows, _ in tables:
        cli.say("\n".join(columns([heads, *rows])) + "\n")
    write_json(
        out / "landscape.json", report.as_data(subjects, looks, protocol)
    )
    pictures = _draw(subjects, looks, drawn, protocol, out)
    arms = list(dict.fromkeys(subject.arm for subject in subjects))
    title = f"Loss landscapes: {', '.join(arms)}"
    text = (
        f"{protocol.directions} random directions, filter-normalised, "
        f"{protocol.points} points from -{protocol.extent:g} to "
        f"{protocol.extent:g}, mean over {protocol.batches} batches; seed "
        f"{protocol.seed}. Bands are one standard deviation over directions "
        "(and seeds)."
    )
    write_text(
        out / "landscape.html", page.as_html(title, [text], pictures, tables)
    )
    cli.say(f"landscape: {out / 'landscape.html'}")


def _draw(subjects, looks, drawn, protocol, out):
    """Writes the pictures; returns captions and paths."""
    from keras_ganmix.landscapes import pictures

    alphas = protocol.alphas
    made = []

    def draw(caption, name, figure):
        path = out / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}.png"
        pictures.write(figure, path)
        made.append((caption, path))

    own = [[k for k in drawn if k.subject is s] for s in subjects]
    own = [looks_of for looks_of in own if looks_of]
    if own:
        newest = [looks_of[-1] for looks_of in own]
        draw("Lines", "lines", pictures.overlay(newest, alphas))
    for looks_of in own:
        label = looks_of[0].subject.label
        if len(looks_of) > 1:
            figure = pictures.over_time(looks_of, alphas)
            draw(f"Lines over training: {label}", f"lines-{label}", figure)
        for look in looks_of:
            if look.planes:
                name = f"plane-{label}-step-{look.step}"
                figure = pictures.surfaces(look, alphas)
                draw(f"Plane: {label}, step {look.step}", name, figure)
    figure = pictures.gradients(subjects, looks)
    if figure is not None:
        draw("Cosines between gradients", "gradients", figure)
    return made


if __name__ == "__main__":
    sys.exit(main())
