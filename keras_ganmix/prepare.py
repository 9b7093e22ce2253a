"""Writes pictures as TFRecord shards: `python -m keras_ganmix.prepare -h`."""

import sys

from absl import flags

from keras_ganmix.utils import cli

SUMMARY = """
Decode and resize the pictures of a data set once, for training from then on.

  python -m keras_ganmix.prepare --data folder:my/photos --image_size 64 \\
      --out prepared/photos
  python -m keras_ganmix.train --recipe quickstart \\
      --set data.source=tfrecord:prepared/photos --set data.image_size=64
  python -m keras_ganmix.prepare --verify prepared/photos

Writes TFRecord shards of raw uint8 pictures with their labels and names, an
index for each shard, and manifest.json with the checksums. What was stopped,
however, goes on when started again, and ends as if it had not been stopped.
Pictures that cannot be read are left out and listed, up to 1 % of all. For a
test split add --split test and write it to prepared/photos/test.

Exit codes: 0 done, 2 bad input or, with --verify, damage, 3 writing failed,
130 stopped by Ctrl-C.
"""

WORDS = {
    "data": "SOURCE",
    "out": "FOLDER",
    "split": "NAME",
    "image_size": "N",
    "channels": "1|3",
    "resize": "crop|pad|squeeze",
    "background": "GREY",
    "max": "N",
    "shard_mb": "MIB",
    "workers": "N",
    "verify": "FOLDER",
}

_MOST_NAMED = 20


def _flags():
    options = cli.new_flags()

    def text(name, default, help):
        flags.DEFINE_string(name, default, help, flag_values=options)

    def integer(name, default, help, low, high=None):
        flags.DEFINE_integer(
            name,
            default,
            help,
            lower_bound=low,
            upper_bound=high,
            flag_values=options,
        )

    text("data", None, "What to prepare, as in a recipe's data.source.")
    text("out", None, "Folder to write.")
    text("split", "train", "Split of the data.")
    integer(
        "image_size",
        None,
        "Size to bring the pictures to. Default: their own, if it is one.",
        1,
        4096,
    )
    flags.DEFINE_enum(
        "channels",
        None,
        ("1", "3"),
        "Channels. Default: 1 if every picture is grey, else 3.",
        flag_values=options,
    )
    flags.DEFINE_enum(
        "resize",
        "crop",
        ("crop", "pad", "squeeze"),
        "How to reach the aspect ratio.",
        flag_values=options,
    )
    integer("background", None, "Grey of padding, 0 to 255.", 0, 255)
    integer("max", None, "Take no more than so many pictures, drawn.", 1)
    integer("shard_mb", 128, "Size of a shard in MiB.", 1, 2**20)
    integer(
        "workers", None, "Threads that decode. Default: one per core.", 1, 1024
    )
    text(
        "verify",
        None,
        "Write nothing, but compare the checksums of a folder that this "
        "command has written.",
    )
    flags.DEFINE_bool(
        "quiet", False, "Print nothing but errors.", flag_values=options
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_follow, argv, _flags(), SUMMARY, WORDS)


def _follow(options):
    if options.verify:
        return _verify(options)
    try:
        return _prepare(options)
    except KeyboardInterrupt:
        cli.say("stopped; the same command goes on where it stood", sys.stderr)
        raise


def _prepare(options):
    for name, example in (
        ("data", "folder:my/photos"),
        ("out", "prepared/photos"),
    ):
        if getattr(options, name) is None:
            raise cli.UsageError(f"--{name}: missing, for example {example}")
    from keras_ganmix.data import sources

    with cli.bad_input("data"):
        sources.parse(options.data)

    # From here on TensorFlow is needed, whose import takes seconds.
    with cli.without_startup_noise():
        import tensorflow as tf

        from keras_ganmix.data import preparing
    try:
        with cli.bad_input(), cli.plain_warnings():
            manifest = preparing.prepare(
                options.data,
                options.out,
                options.split,
                image_size=options.image_size,
                channels=None
                if options.channels is None
                else int(options.channels),
                resize=options.resize,
                background=options.background,
                max_images=options.max,
                shard_mb=options.shard_mb,
                workers=options.workers,
                progress=None if options.quiet else cli.progress(sys.stderr),
            )
    except tf.errors.OpError as error:
        cli.complain(cli.one_line(error))
        return cli.FAILED_RUN
    if not options.quiet:
        cli.say("\n".join(_told(manifest, options.out)))
    return cli.DONE


def _told(manifest, out):
    size = sum(shard.bytes for shard in manifest.shards)
    yield (
        f"{out}: {manifest.count:,} pictures of {manifest.image_shape}, "
        f"{len(manifest.shards)} shards, {size / 2**20:,.1f} MiB"
    )
    skipped = manifest.skipped
    for picture in skipped[:_MOST_NAMED]:
        yield f"skipped: {picture.name}: {picture.reason}"
    if len(skipped) > _MOST_NAMED:
        yield f"and {len(skipped) - _MOST_NAMED} more, in manifest.json"
    yield f"train on it with data.source: tfrecord:{out}"


def _verify(options):
    if options.data or options.out:
        raise cli.UsageError("--verify: goes without --data and --out")

    from keras_ganmix.data.verifying import verify

    with cli.bad_input("verify"):
        manifest, problems = verify(options.verify)
    if problems:
        cli.complain("\n".join(problems))
        return cli.BAD_INPUT
    if not options.quiet:
        cli.say(
            f"{options.verify}: {manifest.count:,} pictures in "
            f"{len(manifest.shards)} shards, as they were written"
        )
    return cli.DONE


if __name__ == "__main__":
    sys.exit(main())
