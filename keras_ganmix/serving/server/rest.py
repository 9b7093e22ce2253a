"""TensorFlow Serving's REST API, and the page, as an ASGI application."""

import asyncio
import functools
import json
import logging
import re
from urllib.parse import unquote

from google.protobuf import json_format
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2

from keras_ganmix.serving.server import json_inputs, json_outputs
from keras_ganmix.serving.server.grpc_service import status_response
from keras_ganmix.serving.server.hosts import is_nobodys_name
from keras_ganmix.serving.server.page import PageFiles
from keras_ganmix.serving.server.serving import METADATA_FIELD
from keras_ganmix.serving.server.status import StatusError, invalid

_log = logging.getLogger(__name__)

# As in TensorFlow Serving; they see the path as it was sent.
_WHERE = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?"
_PREDICTION = re.compile(
    rf"(?i)/v1/models/([^/:]+){_WHERE}:(classify|regress|predict)", re.ASCII
)
_STATUS = re.compile(
    rf"(?i)/v1/models(?:/([^/:]+))?{_WHERE}(?:/(metadata))?", re.ASCII
)
_MAX_VERSION = 2**63 - 1
# Pages of other sites have no use for an answer, whatever they take it for.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SHOWN = 200  # characters of what was sent
_to_json = functools.partial(
    json_format.MessageToDict, always_print_fields_with_no_presence=True
)


class RestApp:
    """The application.

    Args:
        models: the `Models`.
        gate: the `Gate` that requests go through.
        pool: the executor that requests run in.
        max_body_bytes: the largest body of a request.
        timeout: seconds that a request may take.
        private: whether only this machine is to be answered; then requests
            for a name of somebody else are refused.
    """

    def __init__(self, models, gate, pool, max_body_bytes, timeout, private):
        self.models = models
        self.gate = gate
        self.pool = pool
        self.max_body_bytes = max_body_bytes
        self.timeout = timeout
        self.private = private
        self.page = PageFiles(models)

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        path = scope["raw_path"].decode("ascii", "replace")
        try:
            response = await self._answer(request, path)
        except StatusError as error:
            response = _error(error)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("a request failed")
            response = _error(StatusError("INTERNAL", "internal error"))
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    async def _answer(self, request, path):
        if self.private:
            _check_host(request.headers.get("host", ""))
        if re.match("(?i)/v1/", path):
            return await self._api(request, path)
        return self.page.response(request.method, path)

    async def _api(self, request, path):
        malformed = invalid(
            f"Malformed request: {request.method} {path[:_SHOWN]}"
        )
        if request.method == "POST":
            found = _PREDICTION.fullmatch(path)
            body = await self._body(request)
            if not found:
                raise malformed
            *where, method = found.groups()
            if method.lower() != "predict":
                raise StatusError(
                    "UNIMPLEMENTED", f"{method} is not offered; use predict"
                )
            work = functools.partial(self._predict, _spec(*where), body)
        elif request.method == "GET":
            found = _STATUS.fullmatch(path)
            if not found:
                raise malformed
            *where, resource = found.groups()
            if not where[0]:
                raise invalid("Missing model name in request.")
            answer = self._metadata if resource else self._status
            work = functools.partial(answer, _spec(*where))
        else:
            raise malformed
        return await self._run(work)

    async def _body(self, request):
        too_large = StatusError(
            "RESOURCE_EXHAUSTED",
            f"the request is larger than {self.max_body_bytes} bytes",
            http=413,
        )
        length = request.headers.get("content-length", "0")
        if int(length) > self.max_body_bytes:
            raise too_large
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self.max_body_bytes:
                raise too_large
            parts.append(part)
        return b"".join(parts)

    async def _run(self, work):
        """Runs a function in the pool, if there is a place for it."""
        with self.gate():
            loop = asyncio.get_running_loop()
            text = await loop.run_in_executor(self.pool, work)
        return Response(text, media_type="application/json")

    def _predict(self, spec, body):
        document = json_inputs.parse(body)
        spec.signature_name = json_inputs.signature_name(document)
        rows = False

        def inputs(signature):
            nonlocal rows
            arrays, rows = json_inputs.read_inputs(document, signature)
            return arrays

        try:
            _, outputs = self.models.predict(spec, inputs, timeout=self.timeout)
        except StatusError as error:
            if error.code != "FAILED_PRECONDITION":
                raise
            raise invalid(
                f'Serving signature name: "{spec.signature_name}" not found '
                "in signature def"
            ) from None
        return json_outputs.write_outputs(outputs, rows)

    def _status(self, spec):
        response = status_response(self.models.statuses(spec))
        return json.dumps(_to_json(response), indent=1)

    def _metadata(self, spec):
        response = self.models.metadata(spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[METADATA_FIELD].Unpack(signatures)
        answer = {
            "model_spec": _to_json(
                response.model_spec, preserving_proto_field_name=True
            ),
            "metadata": {
                METADATA_FIELD: _to_json(
                    signatures, preserving_proto_field_name=True
                )
            },
        }
        return json.dumps(answer, indent=1)


def _check_host(host):
    if not is_nobodys_name(host):
        raise StatusError(
            "PERMISSION_DENIED",
            f"Host {host[:_SHOWN]!r} is refused, since a web page could make "
            "it up; ask for localhost or an address",
        )


def _spec(name, version, label):
    """Returns the `ModelSpec` of the parts of a path."""
    spec = model_pb2.ModelSpec(name=unquote(name, errors="replace"))
    if version is not None:
        if int(version) > _MAX_VERSION:
            raise invalid(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label is not None:
        spec.version_label = unquote(label, errors="replace")
    return spec


def _error(error):
    headers = {"Retry-After": "1"} if error.http == 503 else None
    return Response(
        json.dumps({"error": error.message}),
        status_code=error.http,
        media_type="application/json",
        headers=headers,
    )
