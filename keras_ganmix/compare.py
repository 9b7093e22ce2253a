"""Compares runs: `python -m keras_ganmix.compare --help`."""

import sys

from absl import flags

from keras_ganmix.utils import cli

SUMMARY = """
Compare runs: means and spreads over seeds, differences to a baseline.

  python -m keras_ganmix.compare runs/plain-* runs/mixed-* --out mixed.html
  python -m keras_ganmix.compare runs/* --baseline runs/plain-0

Runs that differ only in train.seed are one arm. Compared are the files
scores.json that evaluate has written, if every run has one; otherwise the
scores during training, at the last step that all runs have. Scores of
different protocols are refused, and what differs is said.

Exit codes: 0 done, 2 bad input.
"""

WORDS = {"baseline": "RUN", "out": "FILE"}


def _flags():
    options = cli.new_flags()
    flags.DEFINE_string(
        "baseline",
        None,
        "A run of the arm that the others are compared with. Default: the "
        "first run.",
        flag_values=options,
    )
    flags.DEFINE_string(
        "out",
        None,
        "HTML page to write: table, curves and samples, with nothing outside "
        "of it.",
        flag_values=options,
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_compare, argv, _flags(), SUMMARY, WORDS, words=True)


def _compare(options, paths):
    from keras_ganmix.comparing import page, runs, table
    from keras_ganmix.utils.files import write_text

    if options.baseline is not None:
        paths = [options.baseline, *paths]
    if not paths:
        raise cli.UsageError("no runs; name their folders")
    try:
        found = runs.load(paths)
        runs.check_protocols(found)
        arms = runs.group(found)
        rows = table.make_rows(arms)
        cli.say(table.as_text(arms, rows))
        if options.out is not None:
            write_text(options.out, page.as_html(arms, rows))
            cli.say(f"page: {options.out}")
    except (ValueError, OSError) as error:
        # What differs between protocols is said in several lines.
        raise cli.UsageError(str(error)) from error
    return cli.DONE


if __name__ == "__main__":
    sys.exit(main())
