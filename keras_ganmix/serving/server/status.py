"""Errors with the codes of gRPC, and what HTTP makes of them."""

import re

# TensorFlow Serving's own table (model_servers/http_server.cc).
HTTP_CODES = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
# As TensorFlow numbers them.
NUMBERS = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
_NOISE = re.compile(
    r"\{\{function_node [^}]*\}\}|\[\[\{?\{?[^\]]*\]\]|\(defined at [^)]*\)"
)
_ROOT_ERROR = re.compile(r"\(0\)\s+(?:[A-Z_]+:|[A-Za-z ]+:)?\s*(.*)")


class StatusError(Exception):
    """A request that cannot be answered.

    Args:
        code: name of a gRPC status code.
        message: what is wrong, in one line.
        http: code of HTTP where it is not that of the table.
    """

    def __init__(self, code, message, http=None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.http = http or HTTP_CODES[code]


def invalid(message):
    """Returns the error of a request that is wrong in itself."""
    return StatusError("INVALID_ARGUMENT", message)


def from_tensorflow(error):
    """Returns the `StatusError` of a `tf.errors.OpError`."""
    code = NUMBERS.get(error.error_code, "UNKNOWN")
    return StatusError(code, clean(error.message or ""))


def clean(message):
    """Returns the line of TensorFlow's message that a client can use.

    Names of nodes and functions, the condition of an assertion as TensorFlow
    prints it, and the stack trace are left out.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    if lines and lines[0].startswith("Graph execution error"):
        del lines[0]
    lines = lines or [""]
    if lines[0].endswith("Original error:") and len(lines) > 1:
        del lines[0]  # which only guesses
    root = next(filter(None, map(_ROOT_ERROR.search, lines)), None)
    line = root.group(1) if root and "root error" in lines[0] else lines[0]
    line = " ".join(_NOISE.sub(" ", line).split())
    found = re.match(r"assertion failed: \[(.*)\]$", line)
    if found:
        line = found.group(1).split("] [Condition ")[0].replace("] [", " ")
    return line or "no message"
