"""What a training step of a recipe is made of, in time and memory."""
