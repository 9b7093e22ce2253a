"""The data doctor: looks at every picture of a source and says what is odd.

    report = keras_ganmix.data.doctor.examine("folder:photos", image_size=64)
    print(report.text())

Pictures are decoded one at a time and forgotten; neither TensorFlow nor the
whole data set is loaded.
"""

import collections
import dataclasses

import numpy as np

from keras_ganmix.data.findings import Findings, usual_size
from keras_ganmix.data.loading import (
    MAX_SKIPPED_SHARE,
    Fit,
    check_fit,
    load,
    open_any,
    select,
)
from keras_ganmix.data.looks import look, moments
from keras_ganmix.data.records import PointRecords, StackedRecords
from keras_ganmix.data.source import combine_digests
from keras_ganmix.data.threads import map_in_order
from keras_ganmix.utils.names import shown

MOST_NAMES = 20


@dataclasses.dataclass
class Report:
    """What the doctor has seen.

    Attributes:
        source, split: what was looked at.
        num_images: pictures that were looked at.
        num_readable: those that a training can use.
        num_bytes: size of their files, 0 where there are none.
        formats, modes: dict from a name to a count, largest first.
        sizes: dict with `smallest`, `largest` (by pixels) and `usual`, each
            (width, height), and `usual_share`; empty for points.
        classes: dict from a name to a count, or None.
        image_shape: of what a training gets, or None if sizes differ.
        resize: how the aspect ratio is reached.
        mean, stddev: of what a training gets, a list with a number for each
            channel, 0 to 255 (of points: as they are).
        fingerprint: as of `data.load`, or None where it refuses the data.
        refused: why `data.load` would refuse them, or None.
        findings: list of `findings.Finding`, faults first.
        remarks: list of what else there is to say.
        records: the `records.Records`, to show pictures of.
    """

    source: str
    split: str
    num_images: int
    num_readable: int
    num_bytes: int = 0
    formats: dict = dataclasses.field(default_factory=dict)
    modes: dict = dataclasses.field(default_factory=dict)
    sizes: dict = dataclasses.field(default_factory=dict)
    classes: dict | None = None
    image_shape: tuple | None = None
    resize: str = "crop"
    mean: list = dataclasses.field(default_factory=list)
    stddev: list = dataclasses.field(default_factory=list)
    fingerprint: str | None = None
    refused: str | None = None
    findings: list = dataclasses.field(default_factory=list)
    remarks: list = dataclasses.field(default_factory=list)
    records: object = dataclasses.field(default=None, repr=False)

    @property
    def faults(self):
        """Names of the findings that are worth looking at."""
        return [x.kind for x in self.findings if x.fault]

    def to_dict(self):
        """Plain values, as JSON takes them; every name of every finding."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("findings", "records")
        }
        values["findings"] = {
            x.kind: {
                "what": x.what,
                "fault": x.fault,
                "effect": x.effect,
                "count": len(x.items),
                "items": [
                    {"name": name, **({"detail": detail} if detail else {})}
                    for name, detail in x.items
                ],
            }
            for x in self.findings
        }
        return values

    def text(self, most=MOST_NAMES):
        """Lines of text: a summary, then each finding with `most` names."""
        lines = [*self._summary()]
        for finding in self.findings:
            mark = "!" if finding.fault else "-"
            lines.append("")
            lines.append(
                f"{mark} {finding.kind}: {len(finding.items):,} {finding.what}"
            )
            lines.append(f"    in training: {finding.effect}")
            if finding.is_usual(self.num_readable):
                continue
            for name, detail in finding.items[:most]:
                lines.append(f"    {name}{': ' * bool(detail)}{detail}")
            more = len(finding.items) - most
            if more > 0:
                lines.append(f"    ... and {more:,} more")
        return "\n".join(lines)

    def _summary(self):
        of = ""
        if self.num_readable != self.num_images:
            of = f" of {self.num_images:,}"
        size = f", {self.num_bytes / 1e6:.1f} MB" if self.num_bytes else ""
        yield (
            f"{shown(self.source)}, {self.split}: {self.num_readable:,}{of} "
            f"can be used{size}"
        )
        for name in ("formats", "modes"):
            counts = getattr(self, name)
            if counts:
                yield _row(name, _counts(counts))
        if self.sizes:
            small, large, usual = (
                "x".join(map(str, self.sizes[key]))
                for key in ("smallest", "largest", "usual")
            )
            share = self.sizes["usual_share"]
            text = f"all {usual}"
            if share < 1:
                text = f"{small} to {large}, most often {usual} ({share:.0%})"
            yield _row("sizes", text)
        if self.classes is not None:
            yield _row(
                "classes", f"{len(self.classes)}: {_counts(self.classes)}"
            )
        if self.image_shape is not None:
            shape = "x".join(map(str, self.image_shape))
            yield _row("training", f"{shape}, {self.resize}")
        if self.mean:
            mean, stddev = (
                " ".join(f"{x:.4g}" for x in values)
                for values in (self.mean, self.stddev)
            )
            yield _row("values", f"mean {mean}, standard deviation {stddev}")
        if self.fingerprint:
            yield _row("hash", self.fingerprint)
        for remark in self.remarks:
            yield _row("note", remark)
        if self.refused:
            yield _row("refused", self.refused)
        yield _row(
            "verdict",
            f"to look at: {', '.join(self.faults)}"
            if self.faults
            else "nothing to worry about",
        )


def examine(
    source,
    split="train",
    *,
    image_size=None,
    channels=None,
    resize="crop",
    background=None,
    max_images=None,
    seed=0,
    progress=None,
):
    """Looks at every picture of a source.

    Args:
        source, split, image_size, channels, resize, background, max_images,
            seed: as of `data.load`; what a training would use.
        progress: function of the number of pictures that have been looked at
            and of their total, called now and then.

    Returns:
        A `Report`.

    Raises:
        ValueError: if there is nothing to look at, or an argument is wrong.
    """
    fit = Fit(image_size, channels, resize, background)
    check_fit(fit)
    records = open_any(source, split, seed)
    keep = select(records, max_images, None, seed)
    if isinstance(records, (PointRecords, StackedRecords)):
        whole = load(
            source,
            split,
            image_size=image_size,
            channels=channels,
            resize=resize,
            background=background,
            max_images=max_images,
            seed=seed,
        )
        if isinstance(records, PointRecords):
            return _of_points(whole)
        fit.channels = 1
        base = _examine(
            records.base, split, fit, range(len(records.base)), progress
        )
        return _of_stacked(whole, base)
    if fit.channels is None:
        fit.channels = records.channels()
    return _examine(records, split, fit, keep, progress)


def _examine(records, split, fit, keep, progress):
    labels = records.labels
    looks = {}

    def look_at(index):
        label = None if labels is None else labels[index]
        return look(records, index, fit, label)

    statistics = _Statistics()
    for index, seen in zip(keep, map_in_order(look_at, keep), strict=True):
        statistics.add(seen)
        # Not needed any more, and large.
        looks[int(index)] = seen._replace(histogram=None)
        if progress is not None and len(looks) % 64 == 0:
            progress(len(looks), len(keep))
    if progress is not None:
        progress(len(keep), len(keep))
    findings = Findings(records, looks)
    report = _report(records, split, fit, looks, findings)
    report.mean, report.stddev = statistics.moments()
    listing = getattr(records, "listing", None)
    findings.unreadable()
    findings.stored()
    findings.contents()
    findings.sizes(fit)
    if not findings.same():
        report.remarks.append(
            "so many pictures are alike that near-duplicates were not all "
            "looked for"
        )
    # Of some of the pictures it says nothing that a class has none.
    if report.classes is not None and len(keep) == len(records):
        findings.classes(report.classes, listing)
    if listing is not None:
        findings.folder(listing)
    report.findings = findings.in_order
    return report


def _report(records, split, fit, looks, findings):
    good = list(findings.good.values())
    sizes = [x.size for x in good]
    report = Report(
        records.name,
        split,
        len(looks),
        len(good),
        sum(x.num_bytes for x in looks.values()),
        _counted(x.format for x in good if x.format),
        _counted(x.mode for x in good if x.mode),
        resize=fit.mode,
        records=records,
    )
    if sizes:
        usual, count = usual_size(sizes)
        report.sizes = {
            "smallest": min(sizes, key=lambda s: (s[0] * s[1], s)),
            "largest": max(sizes, key=lambda s: (s[0] * s[1], s)),
            "usual": usual,
            "usual_share": count / len(sizes),
        }
    if records.labels is not None:
        report.classes = _class_counts(records, findings.good)
    report.refused = _refusal(looks, good)
    if report.refused is None:
        report.image_shape = good[0].shape
        report.fingerprint = combine_digests(
            [x.digest for x in good],
            good[0].shape,
            good[0].dtype,
            records.labels is not None,
        )
    return report


def _refusal(looks, good):
    bad = len(looks) - len(good)
    if not good:
        return "none of the pictures can be read"
    if bad > MAX_SKIPPED_SHARE * len(looks):
        return (
            f"{bad:,} of {len(looks):,} pictures cannot be read, more than "
            f"{MAX_SKIPPED_SHARE:.0%}"
        )
    if len({x.shape for x in good}) > 1:
        return "pictures differ in size; give an image size"
    return None


def _class_counts(records, indices):
    labels = records.labels[list(indices)]
    names = records.class_names
    if not names:
        names = [str(n) for n in range(int(records.labels.max()) + 1)]
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    # More labels than names are refused where data are loaded.
    names = [*names, *(str(n) for n in range(len(names), len(counts)))]
    return {
        shown(name): int(count)
        for name, count in zip(names, counts, strict=True)
    }


def _of_points(source):
    report = _of_source(source)
    points = source.images.astype(np.float64)
    report.mean = points.mean(axis=0).tolist()
    report.stddev = points.std(axis=0).tolist()
    report.remarks.append("points, not pictures")
    return report


def _of_stacked(source, base):
    report = _of_source(source)
    report.findings, report.records = base.findings, base.records
    report.mean, report.stddev = base.mean * 3, base.stddev * 3
    report.sizes, report.refused = base.sizes, base.refused
    report.remarks.append(
        f"the findings are those of {base.source}, which is stacked"
    )
    return report


def _of_source(source):
    counts = None
    if source.labels is not None and source.num_classes <= 100:
        names = source.class_names or range(source.num_classes)
        found = np.bincount(source.labels, minlength=source.num_classes)
        counts = {
            str(name): int(count)
            for name, count in zip(names, found, strict=True)
        }
    return Report(
        source.name,
        source.split,
        len(source),
        len(source),
        classes=counts,
        image_shape=source.image_shape,
        fingerprint=source.fingerprint(),
    )


class _Statistics:
    """Adds up histograms of channels."""

    def __init__(self):
        self.histogram = None

    def add(self, seen):
        if seen.error is not None:
            return
        if self.histogram is None:
            self.histogram = np.zeros_like(seen.histogram)
        self.histogram += seen.histogram

    def moments(self):
        if self.histogram is None:
            return [], []
        return tuple(x.tolist() for x in moments(self.histogram))


def _counted(names):
    counts = collections.Counter(names)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _counts(counts, most=12):
    parts = [f"{name} {count:,}" for name, count in [*counts.items()][:most]]
    more = len(counts) - most
    return ", ".join([*parts, *([f"{more} more"] if more > 0 else [])])


def _row(name, text):
    return f"  {name:<9} {text}"
