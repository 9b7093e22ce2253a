"""Names in results. Needs no TensorFlow."""

SIDES = ("discriminator", "generator")
#: The names of the adversarial term, and of the weighted sum of all.
ADVERSARIAL, TOTAL = "adversarial", "total"
