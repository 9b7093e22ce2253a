"""Flags, help and exit codes that the commands share."""

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import textwrap
import warnings

from absl import flags

from keras_ganmix.utils.names import unknown

DONE = 0
BAD_INPUT = 2
FAILED_RUN = 3
STOPPED = 128  # plus the number of the signal: 130 or 143
INTERRUPTED = STOPPED + signal.SIGINT


class InputError(ValueError):
    """What the user can mend; the message has a line for each mistake."""


class UsageError(InputError):
    """A command line that cannot be followed; the message is one line."""


def new_flags():
    """Returns a set of flags with `--help`, apart from all other flags."""
    values = flags.FlagValues()
    flags.DEFINE_bool(
        "help", False, "Show this help.", short_name="h", flag_values=values
    )
    return values


def parse(values, argv, words=False):
    """Reads a command line into `values`.

    Args:
        values: the flags, from `new_flags`.
        argv: the command line, the program's name first.
        words: whether there may be words beside the flags.

    Returns:
        The list of these words.

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
    if len(rest) > 1 and not words:
        raise UsageError(f"unexpected argument {rest[1]!r}; see --help")
    return rest[1:]


def run(follow, argv, values, summary, names, words=False):
    """Follows a command line, as `main` of each command does.

    Args:
        follow: function of the flags, and with `words` of the list of these,
            that returns an exit code.
        argv: the command line, or `None` for that of the process.
        values: the flags, from `new_flags`.
        summary: of the command, for its help.
        names: dict from flags to what the help calls their values.
        words: whether there may be words beside the flags.

    Returns:
        The exit code: that of `follow`, or that of bad input or Ctrl-C.
    """
    try:
        rest = parse(values, sys.argv if argv is None else argv, words)
        if values.help:
            say(help_text(values, summary, names))
            return DONE
        return follow(values, rest) if words else follow(values)
    except InputError as error:
        complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


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


def one_line(error):
    """Returns the message of an error without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def bad_input(flag=None):
    """Turns the `ValueError`s of a block, and missing files, into usage.

    Args:
        flag: name of the flag that the messages begin with, if any.
    """
    try:
        yield
    except UsageError:
        raise
    except (ValueError, OSError) as error:
        where = f"--{flag} " if flag else ""
        raise UsageError(where + one_line(error)) from error


@contextlib.contextmanager
def plain_warnings():
    """Prints the warnings of a block as lines, without their place."""

    def show(message, *_args, **_kwargs):
        say(f"warning: {one_line(message)}", sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


# What TensorFlow writes when it is loaded: information, and on a machine
# without a GPU the complaint that there is none.
_NOISE = re.compile(rb"WARNING: All log messages before|[IW]\d{4} |.*cuInit")


@contextlib.contextmanager
def without_startup_noise():
    """Holds back what TensorFlow says while it is loaded.

    It writes past Python and past its own log level, so the file descriptor
    is redirected. Lines that are not known as noise come afterwards.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            held.seek(0)
            for line in held:
                if not _NOISE.match(line):
                    os.write(2, line)


def say(text, file=None):
    """Prints a line at once; where nobody listens any more, to nobody.

    A closed terminal or pipe is no reason to lose a run, or its scores.

    Args:
        text: the line, or several.
        file: a stream; standard output by default.
    """
    file = sys.stdout if file is None else file
    try:
        print(text, file=file, flush=True)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)


def progress(file):
    """Function that shows a count on a terminal; `None` elsewhere."""
    if not file.isatty():
        return None

    def show(done, total):
        text = f"\r{done:,} of {total:,} pictures"
        if done == total:
            text = "\r\033[K"
        print(text, end="", file=file, flush=True)

    return show


@contextlib.contextmanager
def complaining(*kinds):
    """Prints errors of these kinds in a line, and goes on."""
    try:
        yield
    except kinds as error:
        complain(one_line(error))


def complain(error):
    """Prints an error, a line for each mistake, to the error stream."""
    for line in str(error).splitlines():
        # Names of files may hold what would command the terminal.
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        say(f"error: {line}", sys.stderr)
