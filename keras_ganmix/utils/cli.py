"""Flags, help and exit codes that the commands share."""

import shutil
import sys
import textwrap

from absl import flags

from keras_ganmix.utils.names import unknown

DONE = 0
BAD_INPUT = 2
FAILED_RUN = 3
INTERRUPTED = 130
TERMINATED = 143


class UsageError(ValueError):
    """A command line that cannot be followed; the message is one line."""


def new_flags():
    """Returns a set of flags with `--help`, apart from all other flags."""
    values = flags.FlagValues()
    flags.DEFINE_bool(
        "help", False, "Show this help.", short_name="h", flag_values=values
    )
    return values


def parse(values, argv):
    """Reads a command line into `values`.

    Args:
        values: the flags, from `new_flags`.
        argv: the command line, the program's name first.

    Raises:
        UsageError: for unknown flags, bad values and what is no flag.
    """
    try:
        rest = values(argv)
    except flags.UnrecognizedFlagError as error:
        names = [name for name in values if len(name) > 1]
        raise UsageError(unknown("flag", error.flagname, names)) from None
    except flags.Error as error:
        raise UsageError(" ".join(str(error).split())) from None
    if len(rest) > 1:
        raise UsageError(f"unexpected argument {rest[1]!r}; see --help")


def help_text(values, summary, words):
    """Returns the text of `--help`: the summary, then each flag.

    Args:
        values: the flags, from `new_flags`.
        summary: what the command does, with examples.
        words: dict from a flag's name to a word for its value, in capitals.
    """
    width = min(shutil.get_terminal_size().columns, 80)
    lines = [summary.strip(), "", "Flags:"]
    for name in values:
        flag = values[name]
        if name != flag.name:  # the short form of another
            continue
        shown = f"--{name}" + (f" {words[name]}" if name in words else "")
        if flag.short_name:
            shown = f"-{flag.short_name}, {shown}"
        lines.append(f"  {shown}")
        text = _own_help(flag)
        if flag.default not in (None, False, [], ""):
            text += f" Default: {flag.default}."
        indent = " " * 6
        lines += textwrap.wrap(
            text, width, initial_indent=indent, subsequent_indent=indent
        )
    return "\n".join(lines)


def _own_help(flag):
    """Returns the help without what absl adds to it."""
    text = flag.help.partition(";\n")[0]
    if isinstance(flag, flags.EnumFlag):
        text = text.partition(">: ")[2]
    return text


def complain(error):
    """Prints an error, a line for each mistake, to the error stream."""
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
