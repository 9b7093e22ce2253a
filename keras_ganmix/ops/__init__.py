"""Pure functions of tensors: no layer, no state, no drawing of numbers."""
