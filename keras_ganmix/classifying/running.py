"""One run of a classifier's recipe: training, the test, and what is kept.

```
recipe.yaml  data.json  metrics.jsonl  summary.json  scores.json
classifier.keras  checkpoints/
```
"""

import contextlib
import json
import platform
import time
import warnings

import keras
import tensorflow as tf

import keras_ganmix
from keras_ganmix.callbacks import (
    Checkpoint,
    MetricsLog,
    Progress,
    StopOnSignal,
)
from keras_ganmix.classifying import building, scoring
from keras_ganmix.classifying.sources import total_steps
from keras_ganmix.classifying.summary import read_summary
from keras_ganmix.ending import StillThere
from keras_ganmix.utils.files import atomic_path, write_json


class Run:
    """Trains and tests a classifier, from the start or from a checkpoint.

    Nothing is written before `begin`.

    Args:
        recipe: the `ClassifierRecipe`.
        sources: its `Sources`.
        folder: the `RunFolder`.
        resumes: whether to go on from the newest checkpoint in the folder.

    Attributes:
        first: the step from which it goes on.
        total: the step at which it ends.

    Raises:
        ValueError: if the network or the checkpoint does not fit.
    """

    def __init__(self, recipe, sources, folder, resumes=False):
        self.recipe, self.sources, self.folder = recipe, sources, folder
        self.classifier = building.build_classifier(recipe, sources.train)
        self.total = total_steps(recipe, sources.train)
        self.signal = StopOnSignal()
        self.first = 0
        self._data = _note(sources.train)
        every, keep = recipe.checkpoint.every, recipe.checkpoint.keep
        self._checkpoint = Checkpoint(
            folder.checkpoints, every, keep, resume=False
        )
        if resumes:
            self.first = self._checkpoint.restore(self.classifier)
            if recipe.optimizer.schedule is None:
                rate = recipe.optimizer.learning_rate
                self.classifier.optimizer.learning_rate = rate
            self._compare_data()
        before = read_summary(folder) if resumes else {}
        self._spent = {
            clock: before.get(clock, 0.0)
            for clock in ("seconds", "cpu_seconds")
        }
        self._begin = time.monotonic()

    @property
    def step(self):
        """Number of steps that have been made so far."""
        return int(self.classifier.step.numpy())

    @property
    def is_trained(self):
        return self.step >= self.total

    def begin(self):
        """Says in the folder that this run is at work there."""
        write_json(self.folder.data, self._data)
        self.summarize("running")

    def train(self, file=None):
        """Trains to the last step, or until a signal comes.

        Args:
            file: where to print progress; `None` for nowhere.

        Raises:
            one of `ending.FAILURES`: what has been saved before stays.
        """
        log = MetricsLog(self.folder.metrics, self.recipe.train.log_every)
        callbacks = [StillThere(self.folder), log]
        if file is not None:
            size = self.recipe.data.batch_size
            callbacks.append(Progress(log, self.total, size, file))
        try:
            self.classifier.fit(
                building.build_dataset(
                    self.recipe, self.sources.train, self.first
                ),
                epochs=1,
                steps_per_epoch=self.total - self.first,
                callbacks=[*callbacks, self.signal, self._checkpoint],
                shuffle=False,  # the stream is shuffled
                verbose=0,
            )
        except tf.errors.OpError:
            # A picture that cannot be read ends the stream without its name.
            self.sources.train.check()
            raise
        finally:
            self.signal.restore()

    def conclude(self):
        """Writes the trained model, and its scores if they are asked for."""
        self.folder.check_there()
        with atomic_path(self.folder.path / "classifier.keras") as path:
            self.classifier.inference.save(path)
        section = self.recipe.evaluate
        scores = None
        if section is not None:
            scores = scoring.score(
                self.classifier,
                self.sources.train,
                self.sources.test,
                self.sources.foreign,
                section.fgsm,
            )
            found = {**scores, "protocol": self._protocol()}
            write_json(self.folder.evaluation, found)
        self.summarize("done")
        return scores

    def _protocol(self):
        recipe = self.recipe
        return {
            "recipe": recipe.name,
            "method": recipe.method.model_dump(),
            "network": recipe.network.model_dump(),
            "seed": recipe.train.seed,
            "step": self.step,
            "train": self._data,
            "test": _note(self.sources.test),
            "evaluate": recipe.evaluate.model_dump(),
        }

    def summarize(self, status, error=None):
        """Writes `summary.json`: what was run, on what, how far, how fast.

        Args:
            status: `"running"`, `"done"`, `"interrupted"` or `"failed"`.
            error: why it failed.
        """
        spent = {
            "seconds": time.monotonic() - self._begin,
            "cpu_seconds": time.process_time(),
        }
        evaluate = self.recipe.evaluate
        summary = {
            "recipe": self.recipe.name,
            "status": status,
            "step": self.step,
            "steps": self.total,
            "resumed_at": self.first,
            **{k: round(self._spent[k] + v, 1) for k, v in spent.items()},
            "evaluate": None if evaluate is None else evaluate.model_dump(),
            "error": None if error is None else str(error),
            "parameters": self.classifier.network.count_params(),
            "versions": {
                "keras_ganmix": keras_ganmix.__version__,
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "python": platform.python_version(),
            },
        }
        write_json(self.folder.summary, summary)

    def _compare_data(self):
        with contextlib.suppress(FileNotFoundError):
            before = json.loads(self.folder.data.read_text())
            if before != self._data:
                warnings.warn(
                    f"{self.folder.path}: the data differ from those that the "
                    "run began with. It goes on, but not as it would have."
                )


def _note(source):
    return {
        "source": source.name,
        "split": source.split,
        "images": len(source),
        "image_shape": list(source.image_shape),
        "num_classes": source.num_classes,
        "class_names": source.class_names,
        "fingerprint": source.fingerprint(),
    }
