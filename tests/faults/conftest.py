"""The server that starts and kills runs, and a run left alone."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from campaign import Campaign
from harness import compiler, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if sys.platform != "linux" or compiler() is None:
        pytest.skip("needs Linux and a C compiler, to kill within a save")
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def short(server, tmp_path_factory):
    """A campaign against a short run."""
    return Campaign(server, "short", tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="session")
def whole(short):
    """The folder of this run, left alone."""
    return short.whole


@pytest.fixture
def go(server, short, tmp_path):
    """Starts this run in `run`, or another folder; returns code and errors."""

    def go(folder=tmp_path / "run", **request):
        code, text = server.run(
            *short.command, f"--run_dir={folder}", **request
        )
        assert "Traceback" not in text, text
        told = ("step", "run:", "data:", "warning:")
        return code, [x for x in text.splitlines() if not x.startswith(told)]

    return go
