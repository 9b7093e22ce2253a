"""The terms of a GAN's losses, and how their gradients lie to each other."""
