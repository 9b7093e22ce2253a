"""Answers in JSON, by the rules of TensorFlow Serving's REST API.

References:
    - https://www.tensorflow.org/tfx/serving/api_rest
    - `util/json_tensor.cc` of TensorFlow Serving
"""

import base64
import json

import numpy as np

from keras_ganmix.serving.server.status import invalid

_BYTES = "_bytes"


def write_outputs(outputs, rows):
    """Returns the JSON text of a response, as bytes.

    Args:
        outputs: dict from name to array.
        rows: whether the request was in row format.
    """
    texts = {name: _Column(name, array) for name, array in outputs.items()}
    if not rows:
        columns = {name: column.whole() for name, column in texts.items()}
        return _object(outputs=_one_or_named(columns)).encode()
    sizes = {
        name: a.shape[0] if a.ndim else None for name, a in outputs.items()
    }
    for name, size in sizes.items():
        if size is None:
            raise invalid(f"Tensor name: {name} has no shape information")
    if len(set(sizes.values())) > 1:
        raise invalid(
            "Tensors have inconsistent batch sizes: "
            + ", ".join(f"{name} {size}" for name, size in sizes.items())
        )
    columns = {name: column.rows() for name, column in texts.items()}
    items = [
        _one_or_named(dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]
    return _object(predictions="[" + ",\n".join(items) + "]").encode()


class _Column:
    """An output, ready to be written."""

    def __init__(self, name, array):
        self.name = name
        self.array = array

    def whole(self):
        return self._text(self.array)

    def rows(self):
        return [self._text(row) for row in self.array]

    def _text(self, value):
        if self.array.dtype == object:
            return self._strings(value)
        value = np.asarray(value, self.array.dtype)
        if value.dtype.kind in "biu" or value.dtype == np.float64:
            return json.dumps(value.tolist())
        return _digits(value)

    def _strings(self, value):
        if isinstance(value, np.ndarray):
            if value.ndim == 0:
                return self._strings(value.item())
            return "[" + ", ".join(map(self._strings, value)) + "]"
        if self.name.endswith(_BYTES):
            coded = base64.b64encode(value).decode("ascii")
            return json.dumps({"b64": coded})
        try:
            return json.dumps(value.decode("utf-8"))
        except UnicodeDecodeError:
            raise invalid(
                f"{self.name}: holds bytes that are no text; only outputs "
                f"whose names end in {_BYTES} are sent as base64"
            ) from None


def _digits(array):
    """JSON of floats below 64 bits, with the nine digits that they have."""
    values = array.astype(np.float64)
    used = np.isfinite(values) & (values != 0)
    exponents = np.floor(np.log10(np.abs(np.where(used, values, 1.0))))
    scale = 10.0 ** (8 - exponents)
    values = np.where(used, np.round(values * scale) / scale, values)
    return json.dumps(values.tolist())


def _one_or_named(texts):
    if len(texts) == 1:
        return next(iter(texts.values()))
    return _object(**texts)


def _object(**texts):
    items = (f"{json.dumps(key)}: {text}" for key, text in texts.items())
    return "{\n" + ",\n".join(items) + "\n}"
