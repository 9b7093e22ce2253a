"""Loss landscapes of trained GANs."""
