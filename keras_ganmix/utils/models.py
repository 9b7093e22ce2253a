"""Questions about Keras models, and copies of them."""

import keras


def is_functional(model):
    """Whether the model is a built functional or sequential one.

    Such a model knows its layers' connections (`model.inputs` and
    `model.outputs` are symbolic tensors); a subclassed one does not.
    """
    return bool(getattr(model, "inputs", None))


def joins_samples(model):
    """Whether what a sample gives depends on which stand beside it.

    So it is with layers that have a true attribute `joins_samples`, as
    `networks.layers.Pack`.
    """
    return any(
        getattr(layer, "joins_samples", False)
        for layer in model._flatten_layers()
    )


def copy_of_model(model, example):
    """A model of its own with the same weights, named `averaged_...`.

    Args:
        model: functional, or subclassed with a `get_config`.
        example: inputs that build a subclassed one.
    """
    if is_functional(model):
        copy = keras.models.clone_model(model)
        name = f"averaged_{model.name}"
        copy = keras.Model(copy.inputs, copy.outputs[0], name=name)
    else:
        copy = type(model).from_config(model.get_config())
        copy(example)
    copy.set_weights(model.get_weights())
    return copy
