"""Builds the pages of results from raw data.

    python tools/results_pages.py --collect evidence   # take over new data
    python tools/results_pages.py                      # write the pages anew

`--collect` names the folder that sweeps and experiments were made in: what is
small and needed is copied to `docs/results/data/`, and added to the runs of
sweeps that are there. Every number and picture of the pages comes from these
copies, and the costs in `docs/choosing.md` from the table in
`docs/performance.md`.
"""

import argparse
import pathlib
import sys

# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tools.results import building
from tools.results.collect import collect
from tools.results.merging import DifferentSweepError
from tools.results.places import Places


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--collect", type=pathlib.Path, metavar="DIR", help="folder of runs")
    add(
        "--docs",
        type=pathlib.Path,
        default=Places().docs,
        help="folder to write to, by default this checkout's",
    )
    arguments = parser.parse_args(argv)
    places = Places(arguments.docs)
    if arguments.collect is not None:
        if not arguments.collect.is_dir():
            parser.error(f"--collect: {arguments.collect} is no folder")
        try:
            copied = collect(arguments.collect, places)
        except DifferentSweepError as error:
            parser.error(f"--collect: {error}")
        print("collected:", ", ".join(copied) or "nothing")
    for path in building.write(places):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
