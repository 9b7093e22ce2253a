"""Looks for what is wrong with pictures: `python -m keras_ganmix.doctor`."""

import sys

from absl import flags

from keras_ganmix.utils import cli
from keras_ganmix.utils.names import unknown

SUMMARY = """
Look at every picture of a data set before training on it.

  python -m keras_ganmix.doctor --data folder:my/photos --image_size 64
  python -m keras_ganmix.doctor --data folder:my/photos --image_size 64 \\
      --json report.json --pictures odd.png
  python -m keras_ganmix.doctor --data npz:mine.npz --fail_on duplicate

Lists by name what cannot be read, is there twice, is unlike the rest or will
be cut, and says what a training does with it. Names are cut short after 20;
the JSON file has all. Nothing is changed. What begins with ! is worth looking
at, what begins with - is only told.

Exit codes: 0 nothing to look at, 1 something that begins with ! (or that
--fail_on names) or a training would refuse the data, 2 bad input, 130 stopped
by Ctrl-C.
"""

WORDS = {
    "data": "SOURCE",
    "split": "NAME",
    "image_size": "N",
    "channels": "1|3",
    "resize": "crop|pad|squeeze",
    "max": "N",
    "json": "FILE",
    "pictures": "FILE",
    "fail_on": "all|none|LIST",
}

FOUND = 1


def _flags():
    options = cli.new_flags()

    def text(name, default, help):
        flags.DEFINE_string(name, default, help, flag_values=options)

    text("data", None, "What to look at, as in a recipe's data.source.")
    text("split", "train", "Split of the data.")
    flags.DEFINE_integer(
        "image_size",
        None,
        "Size that a training would bring the pictures to. Default: their own.",
        lower_bound=1,
        upper_bound=4096,
        flag_values=options,
    )
    flags.DEFINE_enum(
        "channels",
        None,
        ("1", "3"),
        "Channels that a training would use. Default: 1 if every picture is "
        "grey, else 3.",
        flag_values=options,
    )
    flags.DEFINE_enum(
        "resize",
        "crop",
        ("crop", "pad", "squeeze"),
        "How a training would reach the aspect ratio.",
        flag_values=options,
    )
    flags.DEFINE_integer(
        "max",
        None,
        "Look at no more than so many pictures, drawn as data.max_images does.",
        lower_bound=1,
        flag_values=options,
    )
    text("json", None, "File for the whole report.")
    text("pictures", None, "PNG file with the pictures that were found odd.")
    text(
        "fail_on",
        None,
        "Comma-separated findings that give exit code 1, instead of all that "
        "begin with !; all for any finding, none for none.",
    )
    flags.DEFINE_bool(
        "quiet",
        False,
        "Print nothing but errors; the exit code tells.",
        flag_values=options,
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_examine, argv, _flags(), SUMMARY, WORDS)


def _examine(options):
    if options.data is None:
        raise cli.UsageError("--data: missing, for example folder:my/photos")

    from keras_ganmix.data import doctor, findings

    chosen = _chosen(options.fail_on, findings.KINDS)
    say = (lambda text: None) if options.quiet else print
    with cli.bad_input(), cli.plain_warnings():
        report = doctor.examine(
            options.data,
            options.split,
            image_size=options.image_size,
            channels=None
            if options.channels is None
            else int(options.channels),
            resize=options.resize,
            max_images=options.max,
            progress=None if options.quiet else cli.progress(sys.stderr),
        )
    say(report.text())
    if options.json is not None:
        from keras_ganmix.utils.files import write_json

        with cli.bad_input("json"):
            write_json(options.json, report.to_dict())
        say(f"\nreport: {options.json}")
    if options.pictures is not None:
        _write_pictures(report, options.pictures, say)
    return FOUND if _fails(report, chosen) else cli.DONE


def _chosen(text, kinds):
    """The findings that fail; None for those that are faults."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return set(kinds)
    if names == ["none"]:
        return set()
    for name in names:
        if name not in kinds:
            message = unknown("finding", name, [*kinds, "all", "none"])
            raise cli.UsageError(f"--fail_on: {message}")
    return set(names)


def _fails(report, chosen):
    found = {finding.kind for finding in report.findings}
    if chosen is not None:
        return bool(found & chosen)
    return bool(report.faults) or report.refused is not None


def _write_pictures(report, path, say):
    from keras_ganmix.data.odd_pictures import panels
    from keras_ganmix.utils import panels as pages
    from keras_ganmix.utils.pictures import write_png

    found = panels(report)
    if not found:
        say("pictures: none, since nothing that was found can be shown")
        return
    with cli.bad_input("pictures"):
        write_png(path, pages.draw(found))
    say(f"pictures: {path}")


if __name__ == "__main__":
    sys.exit(main())
