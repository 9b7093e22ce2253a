"""Where to kill: file operations of a run, by what they are part of.

An aim is `(operation, path in the folder of the run, action)`.
"""

TEAR = "tear"  # half of it is written
KILL = "kill"  # before it

_SAVE = {
    "save: data half written": ("write", "{}/ckpt-*_temp/*.data*", TEAR),
    "save: data written": ("rename", "{}/ckpt-*_temp/*.data*", KILL),
    "save: temporary folder whole": ("rename", "{}/ckpt-*.data*", KILL),
    "save: data there, no index": ("open", "{}/ckpt-*.index", KILL),
    "save: index half written": ("write", "{}/ckpt-*.index", TEAR),
    "save: whole, not listed": ("rmdir", "{}/ckpt-*_temp", KILL),
    "save: list half written": ("write", "{}/checkpoint.tmp*", TEAR),
    "save: list written, not there": ("rename", "{}/checkpoint", KILL),
}


def _of(folder):
    return {
        name: (operation, path.format(folder), action)
        for name, (operation, path, action) in _SAVE.items()
    }


CHECKPOINT = {
    **_of("checkpoints"),
    "save: old one to be deleted": ("unlink", "checkpoints/ckpt-*.index", KILL),
    "save: old one half deleted": ("unlink", "checkpoints/ckpt-*.data*", KILL),
}
LOGS = {
    "picture half written": ("write", "samples/.tmp-*", TEAR),
    "picture written, not there": ("rename", "samples/step-*", KILL),
    "metrics line half written": ("write", "metrics.jsonl", TEAR),
    "TensorBoard half written": ("write", "tensorboard/*", TEAR),
}
BEST = {
    **{f"best {name}": aim for name, aim in _of("checkpoints/best").items()},
    "score line half written": ("write", "scores.jsonl", TEAR),
    "score written, best not saved": ("mkdir", "checkpoints/best/*", KILL),
    "protocol not there": ("rename", "scores_protocol.json", KILL),
}
START = {
    "start: recipe not there": ("rename", "recipe.yaml", KILL),
    "start: checkpoint being read": ("read", "checkpoints/ckpt-*.index", KILL),
    "start: notes of data not there": ("rename", "data.json", KILL),
    "start: log being shortened": ("rename", "metrics.jsonl", KILL),
    "start: pictures being removed": ("unlink", "samples/step-*", KILL),
}
END = {
    "end: animation half written": ("write", ".tmp-*.gif", TEAR),
    "end: animation not there": ("rename", "progress.gif", KILL),
    "end: summary not there": ("rename", "summary.json", KILL),
}
NAN = {
    "going back: not noted": ("open", "faults.jsonl", KILL),
    "going back: half noted": ("write", "faults.jsonl", TEAR),
    "going back: noted": ("rename", "metrics.jsonl", KILL),
}
TRAIN = {**CHECKPOINT, **LOGS, **START, **END}
SCORED = {**TRAIN, **BEST}
EVALUATION = "inside an evaluation"
EPOCH_END = "end of an epoch, before the save"
RANDOM = "random moment"
