"""The sweeps on mixtures of Gaussians, and the scores that they have."""

#: Name to what it is called.
SWEEPS = {
    "modes_ring": "ring",
    "modes_grid": "grid",
    "modes_grid_fast": "grid, faster discriminator",
}
#: Score to its name and a factor.
SCORES = {
    "modes": ("modes", 1),
    "high_quality": ("high quality %", 100),
    "reverse_kl": ("reverse KL", 1),
}
