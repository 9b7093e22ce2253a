"""Serves exported generators: `python -m keras_ganmix.serve --help`."""

import contextlib
import gc
import sys
from pathlib import Path

from absl import flags

from keras_ganmix.utils import cli

SUMMARY = """
Serve exported generators over TensorFlow Serving's own protocols, with a page
to look at them.

  python -m keras_ganmix.serve savedmodels/garments
  python -m keras_ganmix.serve savedmodels/garments savedmodels/faces \\
      --port 9000 --rest_api_port 9001

A folder holds versions, as TensorFlow Serving wants them: NAME/1, NAME/2 ...
The newest is served; a new one is loaded and warmed up beside it and then
takes its place. This is a stand-in for where the binary of TensorFlow Serving
is not at hand; it has no authentication and listens on this machine only,
unless told otherwise.

Exit codes: 0 stopped by SIGTERM or Ctrl-C, 2 bad input, 3 nothing could be
loaded.
"""

WORDS = {
    "host": "ADDRESS",
    "port": "PORT",
    "rest_api_port": "PORT",
    "model_name": "NAME",
    "max_message_mb": "MIB",
    "max_batch": "N",
    "max_waiting": "N",
    "poll_seconds": "SECONDS",
    "threads": "N",
    "timeout": "SECONDS",
    "ready_file": "FILE",
}


def _flags():
    options = cli.new_flags()

    def number(name, default, help, least, most=None, whole=True):
        define = flags.DEFINE_integer if whole else flags.DEFINE_float
        define(
            name,
            default,
            help,
            lower_bound=least,
            upper_bound=most,
            flag_values=options,
        )

    flags.DEFINE_string(
        "host",
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 for every network of this machine.",
        flag_values=options,
    )
    number("port", 8500, "Port of gRPC; 0 takes a free one.", 0, 65535)
    number(
        "rest_api_port",
        8501,
        "Port of HTTP: REST API and page; 0 takes a free one.",
        0,
        65535,
    )
    flags.DEFINE_string(
        "model_name",
        None,
        "Name of the model, with one folder. Default: that of the folder.",
        flag_values=options,
    )
    number(
        "max_message_mb",
        4.0,
        "Largest request, in MiB.",
        0.001,
        2047,
        whole=False,
    )
    number("max_batch", 1024, "Largest first dimension of an input.", 1)
    number(
        "max_waiting",
        64,
        "Requests that may be running or waiting; others are refused.",
        1,
    )
    number(
        "poll_seconds",
        1.0,
        "Time between two looks for new versions.",
        0.01,
        whole=False,
    )
    number(
        "threads",
        None,
        "Requests that run at the same time. Default: one for each processor.",
        1,
    )
    number(
        "timeout",
        30.0,
        "Time that a request may take; deadlines of gRPC may be sooner.",
        0.001,
        whole=False,
    )
    flags.DEFINE_string(
        "ready_file",
        None,
        "File that is written when requests are answered: JSON with the "
        "addresses. It is removed at the end.",
        flag_values=options,
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_follow, argv, _flags(), SUMMARY, WORDS, words=True)


def _follow(options, folders):
    return _serve(options, _models(folders, options.model_name))


def _models(folders, name):
    """Returns a dict from name to folder of what is to be served."""
    if not folders:
        raise cli.UsageError(
            "which model? Give the folder of an export, as in python -m "
            "keras_ganmix.serve savedmodels/NAME"
        )
    if name is not None and len(folders) > 1:
        raise cli.UsageError(
            f"--model_name: {len(folders)} folders cannot have one name"
        )
    models = {}
    for folder in map(Path, folders):
        _check(folder)
        key = name or folder.resolve().name
        if not key or set(key) & set("/:"):
            raise cli.UsageError(
                f"{folder}: {key!r} cannot be part of a URL; use --model_name"
            )
        if key in models:
            raise cli.UsageError(
                f"{folder}: {models[key]} has the name {key!r} too"
            )
        models[key] = folder
    return models


def _check(folder):
    if not folder.is_dir():
        raise cli.UsageError(f"{folder}: no such folder")
    if (folder / "saved_model.pb").exists():
        raise cli.UsageError(
            f"{folder}: is a version itself; give the folder above it, "
            f"{folder.resolve().parent}"
        )
    if not any(child.name.isdigit() for child in folder.iterdir()):
        raise cli.UsageError(
            f"{folder}: holds no version, a folder with a number as its "
            "name; python -m keras_ganmix.export writes one"
        )


def _serve(options, models):
    with cli.without_startup_noise():
        from keras_ganmix.serving.server import Server
        from keras_ganmix.serving.server.hosts import is_loopback
    if not is_loopback(options.host):
        cli.say(
            f"warning: listening on {options.host}: there is no "
            "authentication; everybody who reaches this machine can use it",
            sys.stderr,
        )
    with cli.bad_input():
        server = Server(
            models,
            host=options.host,
            port=options.port,
            rest_api_port=options.rest_api_port,
            max_message_mb=options.max_message_mb,
            max_batch=options.max_batch,
            max_waiting=options.max_waiting,
            poll_seconds=options.poll_seconds,
            threads=options.threads,
            timeout=options.timeout,
        )
    try:
        server.load()
        if all(each.available is None for each in server.versions):
            cli.complain("no version could be loaded")
            return cli.FAILED_RUN
        return _run(server, options.ready_file)
    finally:
        server.stop()


def _run(server, ready_file):
    # What lives as long as the process need not be looked through again and
    # again while requests make many short-lived objects.
    gc.collect()
    gc.freeze()
    with server.heeding_signals():
        server.start()
        with _ready_file(server, ready_file):
            for each in server.versions:
                cli.say(
                    f"serving {each.name} version {each.available} on "
                    f"{server.grpc_address} (gRPC) and {server.rest_address}"
                )
            server.wait()
        cli.say("stopping")
    return cli.DONE


@contextlib.contextmanager
def _ready_file(server, path):
    """A file with the addresses, for the time of the block."""
    if path is None:
        yield
        return
    from keras_ganmix.utils.files import write_json

    addresses = {"grpc": server.grpc_address, "rest": server.rest_address}
    with cli.bad_input("ready_file"):
        write_json(path, addresses)
    try:
        yield
    finally:
        Path(path).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
