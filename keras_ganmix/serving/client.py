"""Asks a served generator for pictures."""

import io
import threading

import numpy as np

from keras_ganmix.serving.errors import ServingError
from keras_ganmix.serving.retrying import with_retries
from keras_ganmix.utils.names import unknown

__all__ = ["Client", "ServingError"]

_TRANSPORTS = ("grpc", "rest")
_PICTURES = "png_bytes"
_MAX_VERSION = 2**63 - 1


class Client:
    """Asks TensorFlow Serving, or its stand-in, for pictures.

    ```python
    with kgm.serving.Client("localhost:8500", "garments") as client:
        images = client.generate(16, seed=1)
    ```

    May be used by several threads. Over HTTP it does not need TensorFlow.

    Args:
        address: `host:port` for gRPC; `http://host:port` for HTTP.
        model: name of the model.
        version: number of the version; default, the one that is served.
        transport: `"grpc"` or `"rest"`; default, by the address.
        timeout: seconds that a call may take, retries included; the first
            one over HTTP asks for the signatures, too, with as many.
        retries: how often to ask again where nobody answers.
        max_message_mb: largest request and largest answer, in MiB.

    Raises:
        ValueError: for an unknown transport, limits out of range, and numbers
            that an input cannot hold.
        ServingError: from every method, when there is no answer.
    """

    def __init__(
        self,
        address,
        model,
        version=None,
        transport=None,
        timeout=10.0,
        retries=3,
        max_message_mb=64,
    ):
        url = address.startswith(("http://", "https://"))
        transport = transport or ("rest" if url else "grpc")
        if transport not in _TRANSPORTS:
            raise ValueError(unknown("transport", transport, _TRANSPORTS))
        if url and transport == "grpc":
            raise ValueError(
                f"Client.address: {address!r} is a URL; gRPC takes host:port"
            )
        for name, value, least in (
            ("timeout", timeout, 1e-3),
            ("retries", retries, 0),
            ("max_message_mb", max_message_mb, 1e-3),
        ):
            if not value >= least:
                raise ValueError(f"Client.{name}: {value} is below {least}")
        if version is not None and not 0 <= version <= _MAX_VERSION:
            raise ValueError(
                f"Client.version: {version} is not from 0 to {_MAX_VERSION}"
            )
        if not address:
            raise ValueError(
                "Client.address: is empty; give host:port or a URL"
            )
        self.model = model
        self.version = version
        self.timeout = timeout
        self.retries = retries
        limit = int(max_message_mb * 2**20)
        if transport == "grpc":
            from keras_ganmix.serving.grpc_transport import GrpcTransport

            self._transport = GrpcTransport(address, limit)
        else:
            from keras_ganmix.serving.rest_transport import RestTransport

            url = address if url else f"http://{address}"
            self._transport = RestTransport(url, limit)
        self._known = None
        self._lock = threading.Lock()

    def generate(self, n, seed=0, truncation=None, label=None):
        """Returns pictures of a seed.

        Args:
            n: how many.
            seed: the same seed gives the same pictures.
            truncation: in standard deviations of the latents; smaller is
                more alike; default, none.
            label: class of all pictures; default, all classes in turn.

        Returns:
            Images, uint8 `(n, H, W, C)`.
        """
        outputs = self._sample(n, seed, truncation, label)
        return decode(outputs[_PICTURES])

    def latents(self, n, seed=0, truncation=None):
        """Returns the latents of the pictures of a seed, float32 `(n, d)`."""
        return self._sample(n, seed, truncation, None)["latents"]

    def images(self, latents, labels=None):
        """Returns images, uint8 `(B, H, W, C)`, of latents `(B, d)`.

        Args:
            latents: float array `(B, d)`.
            labels: classes `(B,)`, where the generator has classes.
        """
        latents = np.asarray(latents, np.float32)
        if labels is not None:
            labels = np.asarray(labels, np.int32)
        found = self.predict("uint8", latents=latents, labels=labels)
        return found["images"]

    def sample_by_string(self, strings, truncation=None, label=None):
        """Returns images, uint8 `(B, H, W, C)`; a string has its picture.

        Args:
            strings: list of str or bytes.
            truncation: as in `generate`.
            label: as in `generate`; default, the string decides.
        """
        if isinstance(strings, str | bytes):
            strings = [strings]
        array = np.empty(len(strings), object)
        array[:] = [s.encode() if isinstance(s, str) else s for s in strings]
        outputs = self.predict(
            "sample_by_string",
            strings=array,
            truncation=_number("truncation", truncation, np.float32),
            label=_number("label", label, np.int32),
        )
        return decode(outputs[_PICTURES])

    def interpolate(self, start, end, steps, label=None):
        """Returns the pictures on the way between two latents.

        Args:
            start: float array `(d,)`.
            end: float array `(d,)`.
            steps: number of pictures, both ends included.
            label: class of all pictures.

        Returns:
            Images, uint8 `(steps, H, W, C)`.
        """
        outputs = self.predict(
            "interpolate",
            start=np.asarray(start, np.float32),
            end=np.asarray(end, np.float32),
            steps=_number("steps", steps, np.int32),
            label=_number("label", label, np.int32),
        )
        return decode(outputs[_PICTURES])

    def predict(self, signature="serving_default", **inputs):
        """Calls a signature.

        Args:
            signature: its name.
            **inputs: its inputs. Arrays are sent as they are, numbers and
                lists as the dtype of the input; `None` is not sent, so that
                the default value is used.

        Returns:
            Dict from name to array, strings as bytes.
        """
        inputs = {k: v for k, v in inputs.items() if v is not None}
        ready = all(isinstance(v, np.ndarray) for v in inputs.values())
        info = None
        if self._transport.needs_metadata or not ready:
            info = self._signature(signature)
            inputs = {
                name: _array(value, info["inputs"].get(name))
                for name, value in inputs.items()
            }
        if self._transport.needs_metadata:
            for name, tensor in info["inputs"].items():
                if "default" in tensor:
                    inputs.setdefault(name, tensor["default"])
        try:
            return self._ask(
                lambda left: self._transport.predict(
                    self.model, self.version, signature, inputs, info, left
                )
            )
        except ServingError:
            # Perhaps there is another version by now.
            self._known = None
            raise

    def metadata(self):
        """Returns name, version and signatures of the model.

        Returns:
            Dict with `name`, `version` and `signatures`: dict from name to
            `inputs` and `outputs`, each a dict from name to `dtype`, `shape`
            and, of some inputs, `default`.
        """
        return self._ask(
            lambda left: self._transport.metadata(
                self.model, self.version, left
            )
        )

    def status(self):
        """Returns a list of dicts with `version`, `state` and `message`."""
        return self._ask(
            lambda left: self._transport.status(self.model, self.version, left)
        )

    def close(self):
        """Closes the connection."""
        self._transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _sample(self, n, seed, truncation, label):
        return self.predict(
            "sample",
            num_samples=_number("n", n, np.int32),
            seed=_number("seed", seed, np.int64),
            truncation=_number("truncation", truncation, np.float32),
            label=_number("label", label, np.int32),
        )

    def _signature(self, name):
        with self._lock:
            if self._known is None:
                self._known = self.metadata()["signatures"]
            known = self._known
        if name not in known:
            raise ServingError(
                "INVALID_ARGUMENT", unknown("signature", name, known)
            )
        return known[name]

    def _ask(self, ask):
        return with_retries(ask, self.timeout, self.retries)


def decode(pictures):
    """Returns images, uint8 `(B, H, W, C)`, of PNG files `(B,)`."""
    from PIL import Image

    images = []
    for picture in pictures:
        image = np.asarray(Image.open(io.BytesIO(picture)))
        images.append(image[..., None] if image.ndim == 2 else image)
    return np.stack(images) if images else np.empty((0, 0, 0, 1), np.uint8)


def _number(name, value, dtype):
    if value is None:
        return None
    try:
        with np.errstate(over="ignore"):  # infinity, which servers refuse
            return np.array(value, dtype)
    except OverflowError:
        raise ValueError(
            f"{name}: {value} is too large for {np.dtype(dtype)}"
        ) from None


def _array(value, tensor):
    """Returns an array of the dtype that the signature names."""
    if isinstance(value, np.ndarray):
        return value
    if tensor is None:
        return np.asarray(value)
    if tensor["dtype"] != "string":
        return np.asarray(value, tensor["dtype"])
    return np.asarray(value, object)
