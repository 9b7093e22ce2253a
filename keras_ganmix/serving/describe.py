"""The signatures of an export in words: names, types, shapes, ranges."""


def describe_signatures(facts):
    """Inputs and outputs of each signature.

    Args:
        facts: what `generator.json` holds.

    Returns:
        List of `(name, inputs, outputs)`; the last two are lists of str.
    """
    words = _Words(facts)
    latents, pictures = words.latents(), words.pictures()
    every = {
        "serving_default": (latents, [words.images("float32")]),
        "uint8": (latents, [words.images("uint8")]),
        "png": (latents, ["`png_bytes` string (B,)"]),
        "sample": (
            [
                f"`num_samples` int32 (), 1 to {facts['max_samples']}",
                "`seed` int64 ()",
                words.truncation(),
                *words.label("default -1: the classes in turn"),
            ],
            pictures,
        ),
        "sample_by_string": (
            [
                f"`strings` string (N,), at most {facts['max_samples']}",
                words.truncation(),
                *words.label("default -1: a class that the string decides"),
            ],
            [*pictures, "`seeds` int64 (N,), for `sample` of one"],
        ),
        "interpolate": (
            [
                f"`start` float32 ({facts['latent_dim']},), finite",
                f"`end` float32 ({facts['latent_dim']},), finite",
                f"`steps` int32 (), 1 to {facts['max_samples']}",
                *words.label("default 0"),
            ],
            pictures,
        ),
    }
    return [(name, *every[name]) for name in facts["signatures"]]


class _Words:
    def __init__(self, facts):
        self.facts = facts

    def latents(self):
        latents = [f"`latents` float32 (B, {self.facts['latent_dim']}), finite"]
        if self.facts["num_classes"]:
            last = self.facts["num_classes"] - 1
            latents.append(f"`labels` int32 (B,), 0 to {last}")
        return latents

    def label(self, default):
        if not self.facts["num_classes"]:
            return []
        last = self.facts["num_classes"] - 1
        return [f"`label` int32 (), 0 to {last}; {default}"]

    def truncation(self):
        what = "latents are cut at so many standard deviations"
        if self.facts["latent_distribution"] == "uniform":
            what = "latents are within plus and minus it"
        return f"`truncation` float32 (), above 0: {what}; default -1: none"

    def images(self, dtype):
        shape = ", ".join(map(str, self.facts["image_shape"]))
        made = f"`images` {dtype} (B, {shape})"
        if dtype == "float32" and len(self.facts["image_shape"]) == 3:
            made += ", in [-1, 1]"
        return made

    def pictures(self):
        made = [
            "`png_bytes` string (N,)",
            f"`latents` float32 (N, {self.facts['latent_dim']})",
        ]
        if self.facts["num_classes"]:
            made.append("`labels` int32 (N,)")
        return made
