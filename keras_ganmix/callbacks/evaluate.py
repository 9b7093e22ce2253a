"""Scores during training."""

import shutil
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from keras_ganmix.callbacks.base import StepCallback
from keras_ganmix.callbacks.collapse import Spread, lost_diversity, slid
from keras_ganmix.metrics.protocol import higher_is_better, score_name
from keras_ganmix.metrics.report import protocol_path, read_protocol
from keras_ganmix.sampling import sample_batches
from keras_ganmix.state import RunState, newest
from keras_ganmix.utils import jsonl
from keras_ganmix.utils.files import write_json
from keras_ganmix.utils.names import unknown

# Real images whose diversity is compared with that of the fakes.
_REALS = 2048


class Evaluate(StepCallback):
    """Scores the averaged generator every n steps, and keeps the best.

    Fakes are those of fixed latents, so that a change of the score is one of
    the generator. Each line of the file has `step`, the scores and
    `diversity` (standard deviation of a pixel over fakes, relative to that
    over real images). The protocol, and the floor of the scores, are written
    beside the file (`protocol_path`). When a run is continued, lines of steps
    that will be made again are removed first, and all that is decided by
    earlier scores is decided by the lines that stay.

    Training itself is not touched: neither its weights nor its random numbers
    depend on whether it is evaluated.

    Put it before `Checkpoint` in the list of callbacks.

    Args:
        evaluator: `metrics.Evaluator`.
        every: steps between scores, or `"epoch"`.
        path: a JSON lines file, or `None`.
        watch: name of the score that decides what is best, with or without
            the extractor in brackets; by default the first one.
        best: folder for the checkpoint with the best score, or `None`. Needs
            `path`, where the scores to beat are kept.
        patience: end training after so many evaluations without a new best;
            `None` to go on.
        max_share: largest share of the wall time since training began; an
            evaluation that would exceed it is skipped, the first one never.
            `None` for no limit: then the lines of a run do not depend on the
            speed of the machine.
        on_collapse: `"warn"`, or `"stop"` to end training, when the diversity
            is below a fifth of the reals' or the score slopes back (see
            `callbacks.collapse`).
        seed: seed of the latents.
        writer: a `tf.summary` writer to which the scores, the seconds that
            they took and their share of the wall time go.

    Attributes:
        ended: why training was ended, or `None`.
        seconds: wall time of all evaluations since training began.
        cpu_seconds: their processor time.
        skipped: number of evaluations that were skipped.

    Raises:
        ValueError: for arguments that do not fit, and when training begins
            if the file holds scores of another protocol.
        NotFiniteError: if generated points are NaN or infinite.
    """

    def __init__(
        self,
        evaluator,
        every="epoch",
        path=None,
        *,
        watch=None,
        best=None,
        patience=None,
        max_share=0.1,
        on_collapse="warn",
        seed=0,
        writer=None,
    ):
        super().__init__(every)
        _check_arguments(path, best, patience, max_share, on_collapse)
        if watch is not None:
            watch = _find(watch, evaluator.score_names)
        self.evaluator = evaluator
        self.path = None if path is None else Path(path)
        self.watch = watch
        self.best = best
        self.patience = patience
        self.max_share = max_share
        self.on_collapse = on_collapse
        self.seed = seed
        self.writer = writer
        self.ended = None
        self.seconds = self.cpu_seconds = 0.0
        self.skipped = 0
        self._begin = time.monotonic()
        self._latest = None
        self._lines = []
        self._best_state = None
        self._reference_spread = None

    @property
    def protocol_path(self):
        """Where the protocol of the scores is kept, or `None`."""
        return None if self.path is None else protocol_path(self.path)

    @property
    def share(self):
        """Share of the wall time since training began."""
        return self.seconds / max(time.monotonic() - self._begin, 1e-9)

    def look_back(self, gan):
        """Takes up the scores of a run that will be continued.

        Changes no file. Afterwards `ended` says whether the run had ended.

        Args:
            gan: the `GAN`, at the step from which it goes on.

        Raises:
            ValueError: if they have another protocol than new ones will have.
        """
        if self.path is None:
            return
        step = int(gan.step.numpy())
        lines = gan.workers.from_chief(lambda: jsonl.read(self.path))
        self._lines = [x for x in lines if x["step"] <= step]
        if self._lines:
            self._check_protocol(gan)
        self.ended, _ = self._verdict()

    def _check_protocol(self, gan):
        if not self.protocol_path.exists():
            return
        before, _ = read_protocol(self.protocol_path)
        now = self.evaluator.protocol(_is_averaged(gan))
        for name, (old, new) in before.differences(now).items():
            raise ValueError(
                f"{self.path}: holds scores of another protocol ({name}: "
                f"{old!r} there, {new!r} now); keep the settings that it was "
                "begun with, or move the file away."
            )

    def on_train_begin(self, logs=None):
        self.look_back(self.model)
        self.ended = None
        if self.path is not None and self.model.workers.is_chief:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            step = int(self.model.step.numpy())
            jsonl.forget_after(self.path, step)
            self._forget_best_after(step)
        self._begin = time.monotonic()
        self._latest, self.skipped = None, 0
        self.seconds = self.cpu_seconds = 0.0

    def _forget_best_after(self, step):
        """Removes a best state whose score was forgotten, too."""
        path = None if self.best is None else newest(self.best)
        if path is None or int(path.rpartition("-")[2]) <= step:
            return
        if self._best_state is not None:
            self._best_state.wait()
            self._best_state = None
        shutil.rmtree(self.best)

    def on_train_end(self, logs=None):
        if self._best_state is not None:
            self._best_state.wait()

    def on_step(self, step, logs):
        # Other workers wait meanwhile, and judge by the same numbers.
        scores = self.model.workers.from_chief(self._measure)
        if scores is not None:
            self._record(step, scores)
            self._judge(step)

    def _measure(self):
        begin = time.monotonic()
        if self._is_too_dear(begin - self._begin):
            self.skipped += 1
            return None
        cpu_begin = time.process_time()
        scores = self.score()
        is_first = self._latest is None
        self._latest = time.monotonic() - begin
        self.seconds += self._latest
        self.cpu_seconds += time.process_time() - cpu_begin
        if is_first and self.path is not None:
            self._write_protocol()
        return scores

    def _is_too_dear(self, elapsed):
        if self.max_share is None or self._latest is None:
            return False
        # As dear as the one before.
        spent = self.seconds + self._latest
        return spent > self.max_share * (elapsed + self._latest)

    def score(self):
        """The scores of the generator as it is, and its diversity."""
        evaluator, spread = self.evaluator, Spread()
        batches = sample_batches(self.model, evaluator.num_fake, seed=self.seed)
        self._evaluation = evaluator.evaluate(
            spread.watch(batches), ema=_is_averaged(self.model)
        )
        scores = dict(self._evaluation.scores)
        reals = self._reals()
        if reals is not None:
            if self._reference_spread is None:
                rows = np.arange(min(len(reals), _REALS))
                self._reference_spread = Spread().add(reals.take(rows)).value
            relative = spread.value / max(self._reference_spread, 1e-12)
            scores["diversity"] = round(relative, 4)
        return scores

    def _reals(self):
        for source in (self.evaluator.reference, self.evaluator.floor_source):
            if hasattr(source, "take"):
                return source
        return None

    def _write_protocol(self):
        found = self._evaluation.to_dict()
        names = ("protocol", "floor", "floor_protocol")
        write_json(self.protocol_path, {name: found[name] for name in names})

    def _record(self, step, scores):
        self._lines.append({"step": step, **scores})
        if self.path is not None and self.model.workers.is_chief:
            jsonl.append(self.path, self._lines[-1])
        if self.writer is not None:
            with self.writer.as_default(step):
                for name, value in scores.items():
                    tf.summary.scalar(f"scores/{name}", value)
                tf.summary.scalar("evaluation/seconds", self._latest)
                tf.summary.scalar("evaluation/share", self.share)
            self.writer.flush()

    def _judge(self, step):
        watched, values = self._watched()
        is_best = len(values) - 1 == int(np.argmax(values))
        if is_best and self.best is not None:
            state = self._best_state
            if state is None or state.gan is not self.model:
                self._best_state = RunState(self.model, self.best, keep=1)
            value = self._lines[-1][watched]
            self._best_state.save(
                {"score": watched, "value": value}, wait=False
            )
        self.ended, collapse = self._verdict()
        if collapse is not None:
            logging.warning(
                "step %d: the generator seems to have collapsed: %s. See "
                "docs/scores.md for what helps.",
                step,
                collapse,
            )
        if self.ended is not None:
            self.model.stop_training = True

    def _watched(self):
        """The name of the watched score, and its values, large is good."""
        if not self._lines:
            return self.watch, []
        names = (n for n in self._lines[-1] if n not in ("step", "diversity"))
        name = next(names) if self.watch is None else self.watch
        sign = 1 if higher_is_better(name) else -1
        return name, [sign * x[name] for x in self._lines if name in x]

    def _verdict(self):
        """Why training should end, and what looks like collapse, or `None`."""
        _, values = self._watched()
        diversities = [x["diversity"] for x in self._lines if "diversity" in x]
        collapse = lost_diversity(diversities) or slid(values)
        if collapse is not None and self.on_collapse == "stop":
            return f"collapse: {collapse}", collapse
        if self.patience is not None and values:
            since = len(values) - 1 - int(np.argmax(values))
            if since >= self.patience:
                return f"no better score in {since} evaluations", collapse
        return None, collapse


def _is_averaged(gan):
    return gan.ema_generator is not None


def _find(watch, names):
    """The full name of a score that may be given without its extractor."""
    for name in names:
        stem = name.partition("[")[0]
        if watch in (name, stem) or name == score_name(watch, "inception"):
            return name
    raise ValueError(f"Evaluate.watch: {unknown('score', watch, names)}")


def _check_arguments(path, best, patience, max_share, on_collapse):
    if best is not None and path is None:
        raise ValueError(
            "Evaluate.best: needs a path, where the scores to beat are kept; "
            "give one."
        )
    if patience is not None and (
        not isinstance(patience, int)
        or isinstance(patience, bool)
        or patience < 1
    ):
        raise ValueError(
            f"Evaluate.patience: {patience!r} is not allowed; give a number "
            "of evaluations of at least 1, or None to go on."
        )
    if max_share is not None and not 0 < max_share <= 1:
        raise ValueError(
            f"Evaluate.max_share: {max_share!r} is not allowed; give a share "
            "in (0, 1], or None for no limit."
        )
    if on_collapse not in ("warn", "stop"):
        raise ValueError(
            f"Evaluate.on_collapse: {on_collapse!r} is not allowed; give "
            "'warn' or 'stop'."
        )
