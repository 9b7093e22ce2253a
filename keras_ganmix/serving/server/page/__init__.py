"""The page at `/`: three files, and what it must know of the models."""

import json
from importlib import resources

from starlette.responses import Response

from keras_ganmix.serving.server.status import StatusError

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class PageFiles:
    """Answers everything that is not the API.

    Paths are looked up in a table; none is ever made a path of a file.

    Args:
        models: the `Models`.
    """

    def __init__(self, models):
        self.models = models
        folder = resources.files(__name__)
        self._files = {
            path: ((folder / name).read_bytes(), kind)
            for path, (name, kind) in _FILES.items()
        }

    def response(self, method, path):
        """Returns the response to a request.

        Raises:
            StatusError: NOT_FOUND, and 405 for other methods than GET.
        """
        if path != "/page/models.json" and path not in self._files:
            raise StatusError("NOT_FOUND", f"no such page: {path[:200]}")
        if method not in ("GET", "HEAD"):
            raise StatusError(
                "UNIMPLEMENTED", f"{method} is not allowed here", http=405
            )
        if path in self._files:
            content, kind = self._files[path]
        else:
            content, kind = json.dumps(self._about()), "application/json"
        return Response(content, media_type=kind, headers=_HEADERS)

    def _about(self):
        """What the page shows of each model that can be asked."""
        found = []
        for versions in self.models.versions.values():
            try:
                with versions.hold() as model:
                    entry = {
                        "name": model.name,
                        "version": model.version,
                        "generator": model.about,
                    }
            except StatusError:
                entry = {"name": versions.name, "version": None}
            found.append(entry)
        return found
