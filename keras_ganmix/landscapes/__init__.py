"""Loss landscapes of trained GANs, and the angles between gradients."""
