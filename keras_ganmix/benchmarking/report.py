"""What was measured of a step, as a table and as plain data."""

import os
import platform

import keras
import tensorflow as tf

import keras_ganmix

SCHEMA = 1

NOTES = """
ms: median over rounds with its 95 % interval; a difference is that of the same
round. Terms share work (features, gradients): what is saved by leaving out
each need not add up to what leaving out all would save. Batches are prepared
while a step is made; "waiting" is what that still adds to the step.
""".strip()


class Report:
    """The parts of a recipe's step.

    Args:
        recipe: the `Recipe`.
        source: its `data.Source`.
        cost: what `costs.measure` gives.
        device_memory: dict from GPUs to peak bytes.
        parts: dict from names to `rounds.Part`s.
        regularizers: names of those that were left out in turn.
        now_and_then: list of `(name, every, seconds)`.
    """

    def __init__(
        self,
        recipe,
        source,
        cost,
        device_memory,
        parts,
        regularizers,
        now_and_then,
    ):
        self.recipe, self.source, self.cost = recipe, source, cost
        self.device_memory = device_memory
        self.now_and_then = now_and_then
        step, train = parts["step"], parts["training"]
        updates = recipe.train.discriminator_steps
        both = parts["discriminator"].seconds + parts["generator"].seconds
        self.rows = [
            ("step", "step, of a batch at hand", step),
            (
                "discriminator",
                "  discriminator" + f", {updates} updates" * (updates > 1),
                parts["discriminator"],
            ),
            ("generator", "  generator", parts["generator"]),
            (
                "rest",
                "  the rest (step - both)",
                type(step)(step.seconds - both),
            ),
        ]
        for name in regularizers:
            share = step - parts[f"without {name}"]
            self.rows.append(
                (f"regularizer {name}", f"  step - that without {name}", share)
            )
        self.rows += [
            ("data", "a batch from the pipeline, alone", parts["data"]),
            ("waiting", "  waiting for data in a step", train - step),
            ("training", "step with its data", train),
            ("callbacks", "  fit and callbacks", parts["fit"] - train),
            ("fit", "step in fit with callbacks", parts["fit"]),
        ]

    @property
    def images_per_second(self):
        """Real images per second in `fit` with callbacks."""
        data, train = self.recipe.data, self.recipe.train
        seconds = {key: part for key, _, part in self.rows}["fit"].median
        return data.batch_size * train.discriminator_steps / seconds

    def text(self):
        """The table with what else was measured, without a final newline."""
        width = max(len(label) for _, label, _ in self.rows)
        lines = [
            f"{self.recipe.name}: {self._what()}",
            "",
            f"{'part':{width}} {'ms':>9}   95 % interval",
        ]
        for _, label, part in self.rows:
            shown = f"{label:{width}} {1000 * part.median:9.2f}"
            if part.interval is not None:
                low, high = (1000 * bound for bound in part.interval)
                shown += f"   {low:.2f} to {high:.2f}"
            lines.append(shown)
        cost = self.cost
        lines += [
            "",
            f"images/s: {self.images_per_second:,.0f}",
            f"first step, traced and compiled: {cost['first_step']:.1f} s",
            f"passes per step: {cost['generator']:g} of the generator, "
            f"{cost['discriminator']:g} of the discriminator",
            f"peak memory: {cost['memory'] / 2**20:,.0f} MiB of this process, "
            "before other parts than the step were built",
        ]
        for name, peak in self.device_memory.items():
            lines.append(f"peak memory: {peak / 2**20:,.0f} MiB of {name}")
        for name, every, seconds in self.now_and_then:
            lines.append(
                f"{name}: {1000 * seconds:.0f} ms every {every} steps, "
                f"{1000 * seconds / every:.2f} ms/step"
            )
        return "\n".join([*lines, "", NOTES])

    def _what(self):
        train, strategy = self.recipe.train, self.recipe.strategy
        kinds = [d.device_type for d in tf.config.list_logical_devices()]
        words = [
            f"{tuple(self.source.image_shape)}",
            f"batch {self.recipe.data.batch_size}",
            train.dtype,
            f"{os.cpu_count()} cores",
            f"{' '.join(kinds)}" + f" {strategy}" * (strategy != "none"),
        ]
        if train.steps_per_execution > 1:
            words.append(f"{train.steps_per_execution} steps at a time")
        return ", ".join(words)

    def to_dict(self):
        """Everything, seconds of each round included, as plain data."""
        return {
            "schema": SCHEMA,
            "recipe": self.recipe.to_dict(),
            "image_shape": list(self.source.image_shape),
            "parts": {
                key: {
                    "seconds": part.median,
                    "interval": part.interval,
                    "rounds": part.seconds.tolist(),
                }
                for key, _, part in self.rows
            },
            "images_per_second": self.images_per_second,
            "first_step": self.cost["first_step"],
            "passes": {
                key: self.cost[key] for key in ("generator", "discriminator")
            },
            "peak_memory": self.cost["memory"],
            "peak_device_memory": self.device_memory,
            "now_and_then": {
                name: {"every": every, "seconds": seconds}
                for name, every, seconds in self.now_and_then
            },
            "cores": os.cpu_count(),
            "devices": [
                d.device_type for d in tf.config.list_logical_devices()
            ],
            "versions": {
                "keras_ganmix": keras_ganmix.__version__,
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "python": platform.python_version(),
            },
        }
