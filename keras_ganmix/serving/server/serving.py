"""What a request asks of the models, whichever way it came."""

import contextlib
import threading

from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from keras_ganmix.serving.server.status import StatusError, invalid

METADATA_FIELD = "signature_def"


class Gate:
    """Lets a bounded number of requests in; the others are refused at once.

    Args:
        places: how many requests may be running or waiting.
    """

    def __init__(self, places):
        self.places = places
        self._inside = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def __call__(self):
        """Holds a place for the block.

        Raises:
            StatusError: RESOURCE_EXHAUSTED if there is none.
        """
        with self._lock:
            if self._inside >= self.places:
                raise StatusError(
                    "RESOURCE_EXHAUSTED",
                    f"{self.places} requests are running or waiting; try "
                    "again later",
                    http=503,
                )
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1


class Models:
    """The served models.

    Args:
        versions: list of `Versions`, one for each model.
        max_batch: largest first dimension of an input.
    """

    def __init__(self, versions, max_batch):
        self.versions = {each.name: each for each in versions}
        self.max_batch = max_batch

    def hold(self, spec):
        """Yields the `Model` that a `ModelSpec` names; a context manager."""
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            raise invalid(
                f"Unrecognized servable version label: {spec.version_label}"
            )
        number = spec.version.value if choice == "version" else None
        if spec.name not in self.versions:
            which = f"Latest({spec.name})"
            if number is not None:
                which = f"Specific({spec.name}, {number})"
            raise StatusError(
                "NOT_FOUND", f"Servable not found for request: {which}"
            )
        return self.versions[spec.name].hold(number)

    def statuses(self, spec):
        """Returns the `Version`s that a `ModelSpec` asks about."""
        number = None
        if spec.WhichOneof("version_choice") == "version":
            number = spec.version.value
        if spec.name not in self.versions:
            raise StatusError(
                "NOT_FOUND",
                f"Could not find any versions of model {spec.name}"
                if number is None
                else f"Could not find version {number} of model {spec.name}",
            )
        return self.versions[spec.name].statuses(number)

    def predict(self, spec, inputs, output_filter=(), timeout=None):
        """Answers a request.

        Args:
            spec: the `ModelSpec`.
            inputs: function of a `Signature` that returns a dict from name
                to array.
            output_filter: names of the outputs to compute, or none for all.
            timeout: seconds that the model may take.

        Returns:
            `ModelSpec` of what was used, and a dict from name to array.
        """
        with self.hold(spec) as model:
            signature = model.signature(spec.signature_name)
            arrays = inputs(signature)
            self._check_batch(arrays)
            outputs = signature(arrays, output_filter, timeout)
            used = predict_pb2.PredictRequest().model_spec
            used.name = model.name
            used.version.value = model.version
            used.signature_name = spec.signature_name or "serving_default"
            return used, outputs

    def metadata(self, spec):
        """Returns the `GetModelMetadataResponse` for a `ModelSpec`."""
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self.hold(spec) as model:
            response.model_spec.name = model.name
            response.model_spec.version.value = model.version
            for key, definition in model.definitions.items():
                signatures.signature_def[key].CopyFrom(definition)
        response.metadata[METADATA_FIELD].Pack(signatures)
        return response

    def _check_batch(self, arrays):
        for name, array in arrays.items():
            if array.ndim and array.shape[0] > self.max_batch:
                raise invalid(
                    f"{name}: {array.shape[0]} at once are more than the "
                    f"{self.max_batch} that this server allows"
                )
