"""What a client raises."""


class ServingError(Exception):
    """A request that was not answered, or was refused.

    Args:
        code: name of a gRPC status code, over HTTP too: INVALID_ARGUMENT,
            NOT_FOUND, UNAVAILABLE, DEADLINE_EXCEEDED ...
        message: what the server, or the connection, says.
    """

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
