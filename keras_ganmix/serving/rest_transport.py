"""Requests over HTTP. Needs no TensorFlow."""

import base64
import json
import time
from urllib.parse import quote

import numpy as np
import requests
from urllib3 import exceptions as http

from keras_ganmix.serving.errors import ServingError

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_STRING": "string",
    "DT_BOOL": "bool",
    **{f"DT_INT{n}": f"int{n}" for n in (8, 16, 32, 64)},
    **{f"DT_UINT{n}": f"uint{n}" for n in (8, 16, 32, 64)},
}
# Where a `TensorProto` keeps the values of a dtype.
_VALUES = {
    "DT_FLOAT": "float_val",
    "DT_DOUBLE": "double_val",
    "DT_STRING": "string_val",
    "DT_BOOL": "bool_val",
    "DT_INT64": "int64_val",
    "DT_UINT32": "uint32_val",
    "DT_UINT64": "uint64_val",
}
_CHUNK = 64 * 1024


class RestTransport:
    """Talks to TensorFlow Serving, or its stand-in, over HTTP.

    Args:
        address: URL of the server, `http://host:port`.
        max_message_bytes: largest request and largest answer.
    """

    # JSON has no dtypes, and no default values for inputs.
    needs_metadata = True

    def __init__(self, address, max_message_bytes):
        self.address = address.rstrip("/")
        self.max_message_bytes = max_message_bytes
        self._session = requests.Session()

    def predict(self, model, version, signature, inputs, info, timeout):
        """Returns a dict from name to array."""
        values = {name: _to_json(value) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": values}
        answer = self._ask(
            "POST", f"{_path(model, version)}:predict", timeout, body
        )
        outputs = answer["outputs"]
        if len(info["outputs"]) == 1:
            outputs = dict.fromkeys(info["outputs"], outputs)
        return {
            name: _to_array(value, info["outputs"][name]["dtype"])
            for name, value in outputs.items()
        }

    def metadata(self, model, version, timeout):
        """Returns version and signatures as `Client.metadata` gives them."""
        answer = self._ask("GET", f"{_path(model, version)}/metadata", timeout)
        found = answer["metadata"]["signature_def"]["signature_def"]
        return {
            "name": answer["model_spec"]["name"],
            "version": int(answer["model_spec"]["version"]),
            "signatures": {
                key: {
                    "inputs": _tensors(
                        value["inputs"], value.get("defaults", {})
                    ),
                    "outputs": _tensors(value["outputs"], {}),
                }
                for key, value in found.items()
                if not key.startswith("__")
            },
        }

    def status(self, model, version, timeout):
        """Returns the versions as `Client.status` gives them."""
        answer = self._ask("GET", _path(model, version), timeout)
        return [
            {
                "version": int(entry["version"]),
                "state": entry["state"],
                "message": entry["status"]["error_message"],
            }
            for entry in answer["model_version_status"]
        ]

    def close(self):
        self._session.close()

    def _ask(self, method, path, timeout, body=None):
        data = None if body is None else json.dumps(body).encode()
        if data is not None and len(data) > self.max_message_bytes:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"the request has {len(data)} bytes; at most "
                f"{self.max_message_bytes} are sent",
            )
        end = time.monotonic() + timeout
        try:
            with self._session.request(
                method,
                self.address + path,
                data=data,
                headers={"Content-Type": "application/json"},
                timeout=timeout,
                stream=True,
                allow_redirects=False,
            ) as response:
                text = self._read(response, end)
        except (requests.Timeout, http.TimeoutError) as error:
            raise _late(timeout) from error
        except (requests.ConnectionError, http.ProtocolError) as error:
            raise ServingError(
                "UNAVAILABLE", f"{self.address}: {_cause(error)}"
            ) from error
        except (requests.RequestException, http.HTTPError) as error:
            raise ServingError("UNKNOWN", str(error)) from error
        return _parse(response.status_code, text)

    def _read(self, response, end):
        """Returns the body, unless it is too large or comes too late."""
        parts, size = [], 0
        # What has come, not a full chunk, which might never come.
        while part := response.raw.read1(_CHUNK, decode_content=True):
            size += len(part)
            if size > self.max_message_bytes:
                raise ServingError(
                    "RESOURCE_EXHAUSTED",
                    f"the answer is larger than {self.max_message_bytes} bytes",
                )
            if time.monotonic() > end:
                raise requests.Timeout
            parts.append(part)
        return b"".join(parts)


def _late(timeout):
    return ServingError(
        "DEADLINE_EXCEEDED", f"no answer within {timeout:.1f} s"
    )


def _cause(error):
    """The reason at the end of a chain of exceptions."""
    while True:
        inner = [arg for arg in error.args if isinstance(arg, Exception)]
        if not inner:
            break
        error = inner[-1]
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2]


def _parse(status, text):
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict):
        return answer
    if status == 200:
        raise ServingError("INTERNAL", "the answer is no JSON object")
    message = f"HTTP status {status}"
    if isinstance(answer, dict) and "error" in answer:
        message = answer["error"]
    raise ServingError(_CODES.get(status, "UNKNOWN"), message)


def _path(model, version):
    path = f"/v1/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _to_json(array):
    if array.dtype.kind in "OSU":
        return _strings(array.tolist())
    return array.tolist()


def _strings(value):
    if isinstance(value, list):
        return [_strings(each) for each in value]
    if isinstance(value, str):
        return value
    return {"b64": base64.b64encode(value).decode("ascii")}


def _to_array(value, dtype):
    if dtype != "string":
        return np.array(value, dtype)
    flat, shape = value, []
    while isinstance(flat, list):
        shape.append(len(flat))
        flat = flat[0] if flat else None
    array = np.empty(shape, object)
    for place in np.ndindex(*shape):
        leaf = value
        for i in place:
            leaf = leaf[i]
        array[place] = (
            base64.b64decode(leaf["b64"])
            if isinstance(leaf, dict)
            else leaf.encode()
        )
    return array


def _tensors(infos, defaults):
    tensors = {}
    for name, info in infos.items():
        shape = info["tensor_shape"]
        entry = {
            "dtype": _DTYPES.get(info["dtype"], info["dtype"]),
            "shape": None
            if shape.get("unknown_rank")
            else [
                None if int(dim["size"]) < 0 else int(dim["size"])
                for dim in shape["dim"]
            ],
        }
        if name in defaults:
            entry["default"] = _default(defaults[name], entry["dtype"])
        tensors[name] = entry
    return tensors


def _default(proto, dtype):
    """Returns the array of a `TensorProto` in JSON."""
    shape = [int(dim["size"]) for dim in proto["tensor_shape"]["dim"]]
    raw = base64.b64decode(proto.get("tensor_content") or "")
    if raw:
        return np.frombuffer(raw, dtype).reshape(shape)
    values = proto.get(_VALUES.get(proto["dtype"], "int_val")) or [0]
    if dtype == "string":
        values = [base64.b64decode(value or "") for value in values]
        return np.array(values, object).reshape(shape)
    return (
        np.broadcast_to(np.array(values, dtype), shape)
        if shape
        else (np.array(values[0], dtype))
    )
