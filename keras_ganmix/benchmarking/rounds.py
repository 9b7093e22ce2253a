"""Parts that take turns, so that what else the machine does hits all."""

import numpy as np

_MOST_ROUNDS = 10
_DRAWS = 10_000
# Of each part in a round.
_LEAST_SECONDS = 0.05
_MOST_STEPS = 100


class Part:
    """The times of one part of a step, or of the difference of two.

    Args:
        seconds: one number for each round.
    """

    def __init__(self, seconds):
        self.seconds = np.asarray(seconds, np.float64)

    def __sub__(self, other):
        """The difference in the same round."""
        return Part(self.seconds - other.seconds)

    @property
    def median(self):
        return float(np.median(self.seconds))

    @property
    def interval(self):
        """95 % bootstrap interval of the median; `None` for one round."""
        if len(self.seconds) < 2:
            return None
        numbers = np.random.default_rng(0)
        shape = (_DRAWS, len(self.seconds))
        picks = numbers.integers(0, len(self.seconds), shape)
        medians = np.median(self.seconds[picks], axis=1)
        low, high = np.percentile(medians, [2.5, 97.5])
        return float(low), float(high)


def take_turns(timers, steps):
    """Times parts in rounds, in an order that rotates.

    Args:
        timers: dict from names to functions of a number of steps that return
            the seconds of one.
        steps: how many steps each part makes in all, at least about; short
            ones make more, since few would measure the clock.

    Returns:
        Dict from names to `Part`s.
    """
    rounds = min(_MOST_ROUNDS, steps)
    counts = {}
    for name, time_steps in timers.items():
        time_steps(1)  # traces it
        enough = int(_LEAST_SECONDS / max(time_steps(1), 1e-6))
        counts[name] = max(round(steps / rounds), min(enough, _MOST_STEPS))
    names, seconds = list(timers), {name: [] for name in timers}
    for done in range(rounds):
        turn = done % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(timers[name](counts[name]))
    return {name: Part(found) for name, found in seconds.items()}
