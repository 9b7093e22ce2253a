"""A sweep at work: timing, then the runs, then the comparison."""

import time

from keras_ganmix.comparing import page, runs, table
from keras_ganmix.sweeping import results, tables
from keras_ganmix.sweeping.budget import Budget
from keras_ganmix.sweeping.cell import TIMING, is_timed
from keras_ganmix.sweeping.records import (
    DONE,
    FAILED,
    is_left,
    read_record,
    write_record,
)
from keras_ganmix.sweeping.workers import Worker, command, work
from keras_ganmix.utils import cli
from keras_ganmix.utils.files import write_text
from keras_ganmix.utils.times import duration

_NEWS = 300.0


class Sweep:
    """Runs what is left of a plan.

    Args:
        plan: the `Plan`, saved in the folder.
        folder: its `SweepFolder`.
        stop: `workers.Stop` that listens.
        lock: number of the file that keeps other sweeps out.
        processes, threads, nice, retry_failed: as the flags of the command.
    """

    def __init__(
        self,
        plan,
        folder,
        stop,
        lock,
        *,
        processes=1,
        threads=1,
        nice=10,
        retry_failed=False,
    ):
        self.plan, self.folder, self.stop = plan, folder, stop
        self.processes, self.retry_failed = processes, retry_failed
        self._limits = {"threads": threads, "nice": nice, "keep": (lock,)}
        self._told = time.monotonic()

    def time_steps(self):
        """Measures a step of each arm, unless that has been done.

        Raises:
            UsageError: if an arm cannot be built, or not be scored.
        """
        if all(is_timed(self.folder, self.plan, a) for a in self.plan.arms):
            return
        cli.say("sweep: timing a few steps of each arm")
        work([TIMING], self._start_timing, self._end_timing, 1, self.stop)

    def _start_timing(self, cell):
        words = command(self.folder.path, cell)
        return Worker(words, self.folder.timing_log, **self._limits)

    def _end_timing(self, cell, worker):
        if worker.code() != cli.DONE and self.stop.received is None:
            raise cli.UsageError(worker.last_words() or _exit(worker.code()))

    def budget(self):
        """The `Budget` of what `run` will do; every arm has been timed."""
        return Budget(self.plan, self.folder, self.processes, self.retry_failed)

    def run(self):
        """Runs and scores what is left, until a signal comes."""
        cells = [
            cell
            for cell in self.plan.cells()
            if is_left(self.folder, self.plan, *cell, self.retry_failed)
        ]
        for cell in cells:
            self._forget_end(cell)
        work(
            cells,
            self._start,
            self._end,
            self.processes,
            self.stop,
            self._tell,
        )

    def _forget_end(self, cell):
        """Lets a cell that is to be tried again count as not ended."""
        record = read_record(self.folder, *cell)
        if record and "status" in record:
            write_record(self.folder, *cell)

    def _start(self, cell):
        arm, seed = cell
        words = command(self.folder.path, f"{arm}/{seed}")
        return Worker(words, self.folder.log(arm, seed), **self._limits)

    def _end(self, cell, worker):
        code, (arm, seed) = worker.code(), cell
        if code == cli.DONE:
            score = [s.model_dump() for s in self.plan.scorings]
            end = {"status": DONE, "score": score}
        elif self.stop.received is not None:
            end = {}
        else:
            end = {
                "status": FAILED,
                "code": code,
                "message": worker.last_words() or _exit(code),
            }
        record = write_record(self.folder, arm, seed, worker, **end)
        if not end:
            return
        results.write(self.plan, self.folder)
        why = f" ({end['message']})" if "message" in end else ""
        cli.say(
            f"{arm}, seed {seed}: {end['status']} in "
            f"{duration(record['seconds'])}{why}; {self._eta()}"
        )

    def _tell(self, running):
        if time.monotonic() - self._told > _NEWS and running:
            names = ", ".join(f"{arm} seed {seed}" for arm, seed in running)
            cli.say(f"running: {names}; {self._eta()}")

    def _eta(self):
        self._told = time.monotonic()
        # What is tried again has been opened; what has failed now is over.
        budget = Budget(self.plan, self.folder, self.processes)
        return f"about {duration(budget.remaining())} left"

    def conclude(self):
        """Prints the table and writes the page; returns the exit code."""
        found = results.write(self.plan, self.folder)
        cli.say(tables.as_text(found))
        cli.say(f"table: {self.folder.table}")
        # The first run's arm is what the page compares with.
        cells = sorted(
            found["cells"], key=lambda cell: cell["arm"] != self.plan.baseline
        )
        done = [
            self.folder.run(cell["arm"], cell["seed"]).path
            for cell in cells
            if cell["status"] == DONE
        ]
        if done:
            self._write_page(done)
        failed = any(cell["status"] == FAILED for cell in found["cells"])
        return cli.FAILED_RUN if failed else cli.DONE

    def _write_page(self, paths):
        """The page of `compare`, over the arms that have finished runs."""
        try:
            loaded = runs.load(paths)
            runs.check_protocols(loaded)
            arms = runs.group(loaded)
            text = page.as_html(arms, table.make_rows(arms))
        except ValueError as error:
            cli.say(f"no page: {cli.one_line(error)}")
            return
        write_text(self.folder.page, text)
        cli.say(f"page: {self.folder.page}")


def _exit(code):
    """What is known of a process that ended without a word."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by signal {-code}"
