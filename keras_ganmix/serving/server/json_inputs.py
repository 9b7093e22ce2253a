"""Requests in JSON, by the rules of TensorFlow Serving's REST API.

References:
    - https://www.tensorflow.org/tfx/serving/api_rest
    - `util/json_tensor.cc` of TensorFlow Serving
"""

import base64
import binascii
import json

import numpy as np
import tensorflow as tf

from keras_ganmix.serving.server.status import invalid


def parse(body):
    """Returns the JSON object of a request's body.

    As there, NaN and Infinity are numbers, and what follows the object is
    ignored.

    Raises:
        StatusError: if it is no JSON object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8").lstrip(" \t\r\n")
        document, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {_short(error)}") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_show(document)} Is not object")
    return document


def signature_name(document):
    """Returns the name of the signature that a request asks for, or ""."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {_show(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def read_inputs(document, signature):
    """Returns the arrays of a request, and whether it is in row format.

    Args:
        document: the JSON object, with `instances` or `inputs`.
        signature: the `Signature`.
    """
    if ("instances" in document) + ("inputs" in document) == 2:
        raise invalid(
            f"JSON Value: {_show(document)} Not formatted correctly expecting "
            "only one of 'inputs' or 'instances' keys to exist"
        )
    if "instances" in document:
        return _read_rows(document["instances"], signature), True
    if "inputs" in document:
        return _read_columns(document["inputs"], signature), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _read_rows(instances, signature):
    if not isinstance(instances, list):
        raise invalid("Expecting 'instances' to be an list/array")
    if not instances:
        raise invalid("No values in 'instances' array")
    named = _is_object(instances[0])
    if not named and len(signature.inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as "
            "multiple input tensors required as per tensorinfo_map"
        )
    names = set(signature.inputs)
    for i, item in enumerate(instances):
        if _is_object(item) != named:
            got = (
                "object but got list" if named else "value/list but got object"
            )
            raise invalid(f"Expecting {got} at item {i} of input list")
        if named and set(item) != names:
            raise invalid(
                f"Failed to process element: {i} of 'instances' list. JSON "
                f"object: {_show(item)} keys must be equal to: "
                f"{','.join(sorted(names))}"
            )
    columns = {}
    for name in signature.inputs:
        values = [item[name] for item in instances] if named else instances
        try:
            columns[name] = to_array(values, signature.dtypes[name])
        except ValueError as error:
            raise invalid(
                f"Failed to process element: 'instances' key: {name}. "
                f"Error: INVALID_ARGUMENT: {error}"
            ) from None
    return columns


def _read_columns(inputs, signature):
    if not _is_object(inputs):
        if len(signature.inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as "
                "multiple input tensors required as per tensorinfo_map"
            )
        inputs = dict.fromkeys(signature.inputs, inputs)
    columns = {}
    for name in signature.inputs:
        # Default values are for gRPC only.
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        try:
            columns[name] = to_array(inputs[name], signature.dtypes[name])
        except ValueError as error:
            raise invalid(f"{name}: {error}") from None
    return columns


def _is_object(value):
    """Whether it is an object, other than one that stands for bytes."""
    return isinstance(value, dict) and not (
        set(value) == {"b64"} and isinstance(value["b64"], str)
    )


def to_array(value, dtype):
    """Returns the array of a JSON value, a list of lists, of a `tf.DType`.

    Raises:
        ValueError: for ragged lists, and what is not of the dtype.
    """
    shape, inner = [], value
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    flat = [value]
    for level, size in enumerate(shape):
        rows, flat = flat, []
        for row in rows:
            if not isinstance(row, list):
                raise ValueError(
                    f"JSON Value: {_show(row)} found at incorrect level: "
                    f"{level + 1} in the JSON DOM. Expected at level: "
                    f"{len(shape)}"
                )
            if len(row) != size:
                raise ValueError(
                    f"Encountered list at unexpected size: {len(row)} at "
                    f"level: {level} expected size: {size}"
                )
            flat += row
    if any(map(list.__instancecheck__, flat)):
        raise ValueError(
            f"Encountered list at unexpected level: {len(shape)} expected < "
            f"{len(shape)}"
        )
    return _leaves(flat, dtype).reshape(shape)


def _leaves(values, dtype):
    if dtype == tf.string:
        array = np.empty(len(values), object)
        array[:] = [_to_bytes(value) for value in values]
        return array
    if dtype == tf.bool:
        allowed = {bool}
    elif dtype.is_integer:
        allowed = {int}
    elif dtype.is_floating:
        allowed = {int, float}
    else:
        raise ValueError(f"no conversion of JSON to type: {dtype.name}")
    if not set(map(type, values)) <= allowed:
        wrong = next(v for v in values if type(v) not in allowed)
        raise ValueError(
            f"JSON Value: {_show(wrong)} Type: {_kind(wrong)} is not of "
            f"expected type: {dtype.name}"
        )
    if dtype.is_integer and values:
        for extreme in (min(values), max(values)):
            if not dtype.min <= extreme <= dtype.max:
                raise ValueError(
                    f"JSON Value: {_show(extreme)} Type: Number is not of "
                    f"expected type: {dtype.name}"
                )
    if not dtype.is_floating:
        return np.array(values, dtype.as_numpy_dtype)
    lossy = (
        f"a JSON value cannot be converted to {dtype.name} without loss of "
        "precision."
    )
    try:
        array = np.array(values, np.float64)
    except OverflowError:
        raise ValueError(lossy) from None
    if (np.abs(array[np.isfinite(array)]) > dtype.max).any():
        raise ValueError(lossy)
    return array.astype(dtype.as_numpy_dtype)


def _to_bytes(value):
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict):
        raise ValueError(
            f"JSON Value: {_show(value)} Type: {_kind(value)} is not of "
            "expected type: string"
        )
    if _is_object(value):
        raise ValueError(
            f"JSON Value: {_show(value)} not formatted correctly for base64 "
            "data"
        )
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Unable to base64 decode") from None


def _kind(value):
    names = {dict: "Object", list: "Array", str: "String", bool: str(value)}
    if value is None:
        return "Null"
    return names.get(type(value), "Number")


def _show(value, limit=120):
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        text = "..."
    return text if len(text) <= limit else text[:limit] + "..."


def _short(error):
    return " ".join(str(error).split())[:200]
