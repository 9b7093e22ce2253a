"""Asks a served generator: `python -m keras_ganmix.request --help`."""

import sys

from absl import flags

from keras_ganmix.utils import cli

SUMMARY = """
Ask a served generator for pictures.

  python -m keras_ganmix.request localhost:8500 --model garments --n 16 \\
      --seed 1 --out grid.png
  python -m keras_ganmix.request http://localhost:8501 --model garments \\
      --string "Ada Lovelace" --out ada.png
  python -m keras_ganmix.request localhost:8500 --model garments \\
      --interpolate 1,2 --n 8 --out way.png
  python -m keras_ganmix.request localhost:8500 --model garments --status

HOST:PORT is asked over gRPC, a URL over HTTP, which needs no TensorFlow.

Exit codes: 0 done, 2 bad input, 3 no answer or a refusal.
"""

WORDS = {
    "model": "NAME",
    "version": "N",
    "transport": "grpc|rest",
    "n": "N",
    "seed": "N",
    "truncation": "X",
    "label": "N",
    "string": "TEXT",
    "interpolate": "SEED,SEED",
    "out": "FILE",
    "timeout": "SECONDS",
    "retries": "N",
}


def _flags():
    options = cli.new_flags()

    def text(name, help):
        flags.DEFINE_string(name, None, help, flag_values=options)

    def number(name, default, help, least=None):
        flags.DEFINE_integer(
            name, default, help, lower_bound=least, flag_values=options
        )

    text("model", "Name of the model.")
    number("version", None, "Number of its version. Default: what is served.")
    flags.DEFINE_enum(
        "transport",
        None,
        ("grpc", "rest"),
        "Protocol. Default: by the address.",
        flag_values=options,
    )
    number("n", 16, "Number of pictures.", 1)
    number("seed", 0, "The same seed gives the same pictures.")
    flags.DEFINE_float(
        "truncation",
        None,
        "Standard deviations at which latents are cut; smaller is more alike. "
        "Default: none.",
        flag_values=options,
    )
    number("label", None, "Class. Default: all classes in turn.", 0)
    flags.DEFINE_multi_string(
        "string",
        [],
        "Ask for the picture of a text; may be repeated.",
        flag_values=options,
    )
    text("interpolate", "Ask for --n pictures between those of two seeds.")
    text("out", "PNG file to write, one grid of all pictures.")
    flags.DEFINE_bool(
        "status", False, "Print the versions of the model.", flag_values=options
    )
    flags.DEFINE_float(
        "timeout",
        10.0,
        "Seconds for each call; --interpolate takes several.",
        lower_bound=0.001,
        flag_values=options,
    )
    number("retries", 3, "How often to ask again where nobody answers.", 0)
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_follow, argv, _flags(), SUMMARY, WORDS, words=True)


def _follow(options, words):
    return _request(options, _check(options, words))


def _check(options, words):
    """Refuses what can be refused at once; returns address and seeds."""
    if len(words) != 1:
        got = f"got {len(words)} words" if words else "none was given"
        raise cli.UsageError(f"give one address, HOST:PORT or a URL; {got}")
    if not options.model:
        raise cli.UsageError("--model: missing")
    ways = ("string", "interpolate", "status")
    given = [f"--{name}" for name in ways if options[name].value]
    if len(given) > 1:
        raise cli.UsageError(f"{' and '.join(given)}: give one of them")
    if not options.status and options.out is None:
        raise cli.UsageError("--out: missing; where shall the pictures go?")
    return words[0], _seeds(options.interpolate)


def _seeds(text):
    if text is None:
        return None
    try:
        first, second = map(int, text.split(","))
    except ValueError:
        raise cli.UsageError(
            f"--interpolate {text!r}: give two seeds, as in 1,2"
        ) from None
    return first, second


def _request(options, address_and_seeds):
    from keras_ganmix.serving.errors import ServingError

    address, seeds = address_and_seeds
    try:
        with _client(options, address) as client:
            if options.status:
                _print_status(client)
                return cli.DONE
            with cli.bad_input():
                images = _ask(client, options, seeds)
    except ServingError as error:
        cli.complain(cli.one_line(error))
        return cli.FAILED_RUN
    from keras_ganmix.utils.pictures import image_grid, write_png

    with cli.bad_input("out"):
        write_png(options.out, image_grid(images))
    cli.say(f"{len(images)} pictures: {options.out}")
    return cli.DONE


def _client(options, address):
    with cli.without_startup_noise(), cli.bad_input():
        from keras_ganmix.serving.client import Client

        return Client(
            address,
            options.model,
            version=options.version,
            transport=options.transport,
            timeout=options.timeout,
            retries=options.retries,
        )


def _ask(client, options, seeds):
    chosen = {"truncation": options.truncation, "label": options.label}
    if options.string:
        return client.sample_by_string(options.string, **chosen)
    if seeds is None:
        return client.generate(options.n, options.seed, **chosen)
    start, end = (
        client.latents(1, seed, options.truncation)[0] for seed in seeds
    )
    return client.interpolate(start, end, options.n, label=options.label)


def _print_status(client):
    for version in client.status():
        message = f": {version['message']}" if version["message"] else ""
        cli.say(f"version {version['version']} {version['state']}{message}")


if __name__ == "__main__":
    sys.exit(main())
