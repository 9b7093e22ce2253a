"""`docs/results/README.md`: the papers' claims, and what was run."""

from keras_ganmix.utils.tables import markdown_table
from tools.results import augmentation, claims
from tools.results.parts import GENERATED, hours
from tools.results.templates import fill

QUESTIONS = {
    "modes_ring": ("Are more modes found?", "modes.md"),
    "modes_grid": ("Are more modes found?", "modes.md"),
    "modes_grid_fast": ("The same, faster discriminator", "modes.md"),
    "stacked_dcgan": ("The same with triples of garments", "modes.md"),
    "fashion_tune": ("Which setting of each?", "fashion_mnist.md"),
    "fashion_6000": ("Does it help with 6,000 images?", "fashion_mnist.md"),
    "fashion_60000": ("Does it help with all?", "fashion_mnist.md"),
    "augmentation": ("Do samples teach a classifier?", "augmentation.md"),
    "classify": ("AdaptiveMix beyond GANs", "classify.md"),
    "landscape": ("Losses around the weights", "landscape.md"),
    "dag_leak": ("Do rotations leak?", "../methods/dag.md"),
}


def build(store):
    """The page."""
    return fill(
        "results.md",
        {
            "generated": lambda: GENERATED,
            "claims": lambda: claims.table(store),
            "counted": lambda: claims.counted(store),
            "runs": lambda: _runs(store),
            "compute": lambda: _recorded(store),
        },
    )


def _runs(store):
    lines = []
    for name, (question, page) in QUESTIONS.items():
        made, planned, taken = amount(store, name)
        link = f"[{page.rpartition('/')[2]}]({page})"
        if not made:
            lines.append((f"`{name}`", question, "not made yet", "-", "-"))
            continue
        runs = f"{made} of {planned}"
        if made < planned:
            runs += ", preliminary"
        lines.append((f"`{name}`", question, runs, hours(taken), link))
    heads = ("data", "question", "runs", "compute", "page")
    return markdown_table(heads, lines)


def amount(store, name):
    """Runs made, runs planned, and core-hours of an experiment."""
    if name in store.sweeps:
        sweep = store.sweeps[name]
        left = sum(cell["status"] == "left" for cell in sweep.cells)
        return len(sweep.cells) - left, len(sweep.cells), sweep.hours
    found = store.others.get(name)
    if found is None:
        return 0, 0, 0.0
    if name == "dag_leak":
        arms = [about for arm, about in found.items() if arm != "steps"]
        made = sum(len(about["shares"]) for about in arms)
        return made, made, sum(about["seconds"] for about in arms) / 3600
    made = len(found["runs"])
    if name == "classify":
        return made, made + len(found["left"]), found["core_minutes"] / 60
    seconds = sum(run["cpu_seconds"] for run in found["runs"])
    seconds += sum(found["gan_cpu_seconds"].values())
    return made, augmentation.planned(found), seconds / 3600


def _recorded(store):
    made, planned, taken = (
        sum(values)
        for values in zip(
            *(amount(store, name) for name in QUESTIONS), strict=True
        )
    )
    so_far = " so far" if made < planned or _unmade(store) else ""
    return f"Recorded{so_far}: {hours(taken)}"


def _unmade(store):
    return [name for name in QUESTIONS if not amount(store, name)[0]]
