"""Means that a log takes on the way, while Keras counts them over an epoch."""

import keras


class LoggedMeans:
    """For a `keras.Model` whose metrics are `keras.metrics.Mean`s.

    A log takes the means every so many steps, and they begin anew. What Keras
    says of an epoch, to `History` or `EarlyStopping`, counts all of its steps
    nevertheless.
    """

    #: Name to the sum and the count that were taken since the epoch began.
    _taken = None

    def take_means(self):
        """Dict from name to the mean since it was taken last.

        Those that no step had are left out.
        """
        found, taken = {}, dict(self._taken or {})
        for metric in self.metrics:
            total, count = _numbers(metric)
            if not count:
                continue
            found[metric.name] = float(metric.result())
            before = taken.get(metric.name, (0.0, 0.0))
            taken[metric.name] = (before[0] + total, before[1] + count)
        super().reset_metrics()
        # Past Keras, which would track it.
        object.__setattr__(self, "_taken", taken)
        return found

    def absent_means(self):
        """Names of the means that no step of this epoch had."""
        taken = self._taken or {}
        return {
            metric.name
            for metric in self.metrics
            if metric.name not in taken and not _numbers(metric)[1]
        }

    def get_metrics_result(self):
        results = super().get_metrics_result()
        for metric in self.metrics:
            if metric.name in (self._taken or {}):
                total, count = _numbers(metric)
                before = self._taken[metric.name]
                mean = (before[0] + total) / (before[1] + count)
                results[metric.name] = mean
        return results

    def reset_metrics(self):
        super().reset_metrics()
        object.__setattr__(self, "_taken", None)


def _numbers(mean):
    to_numpy = keras.ops.convert_to_numpy
    return float(to_numpy(mean.total)), float(to_numpy(mean.count))
