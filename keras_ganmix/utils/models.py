"""Questions about Keras models."""


def is_functional(model):
    """Whether the model is a built functional or sequential one.

    Such a model knows its layers' connections (`model.inputs` and
    `model.outputs` are symbolic tensors); a subclassed one does not.
    """
    return bool(getattr(model, "inputs", None))
