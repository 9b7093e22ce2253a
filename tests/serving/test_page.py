"""The page at `/`, in headless Chromium, as a person uses it.

The browser is driven through its DevTools protocol over two pipes. Pictures
of the page are kept in the folder that KERAS_GANMIX_SCREENSHOTS names.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from keras_ganmix.serving import Client
from keras_ganmix.serving.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs the browser chromium"
)


class Tab:
    """A tab of a headless browser."""

    def __init__(self, folder):
        read, write = os.pipe(), os.pipe()
        options = (
            "--headless --no-sandbox --disable-gpu --no-first-run "
            "--disable-background-networking --disable-component-update "
            f"--remote-debugging-pipe --user-data-dir={folder} about:blank"
        )
        # The browser reads commands from 3 and writes answers to 4.
        command = f"exec {CHROMIUM} {options} 3<&{read[0]} 4>&{write[1]}"
        self.process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=(read[0], write[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read[0])
        os.close(write[1])
        self._to, self._from = read[1], write[0]
        self._buffer, self._count, self.events = b"", 0, []
        self._session = None
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do(
            "Target.attachToTarget", targetId=target, flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method, **params):
        """Sends a command; returns its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], 30)
            assert ready, "the browser does not answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def open(self, url, width=1180, height=900, dark=False):
        self.events.clear()
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = "dark" if dark else "light"
        self.do(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        # Another fragment alone would not load the page again.
        self.do("Page.navigate", url="about:blank")
        self.do("Page.navigate", url=url)

    def value(self, script):
        """Returns the value of a JavaScript expression."""
        result = self.do(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script, seconds=10):
        """Waits until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.value(script):
            said = self.value("document.body?.innerText")
            assert time.monotonic() < end, f"{script} is not so; {said}"
            time.sleep(0.03)

    def set(self, name, value):
        """Sets a control as a person does: events included."""
        self.value(
            f"(() => {{ const e = document.getElementById({name!r});"
            f"e.value = {json.dumps(str(value))};"
            "e.dispatchEvent(new Event('input', {bubbles: true})) })()"
        )

    def mode(self, name):
        self.value(f"document.querySelector('input[value={name}]').click()")

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            self.do(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode={"ArrowRight": 39, "Tab": 9, "Enter": 13}[
                    key
                ],
                text="\r" if key == "Enter" and kind == "keyDown" else "",
            )

    def status(self):
        return self.value("document.getElementById('status').textContent")

    def says(self, text):
        self.wait(f"document.body?.innerText.includes({json.dumps(text)})")

    def stage(self):
        """Returns what is drawn, uint8 (H, W, 4)."""
        url = self.value("document.getElementById('stage').toDataURL()")
        data = base64.b64decode(url.partition(",")[2])
        path = Path(os.environ["PYTEST_TMP"]) / "stage.png"
        path.write_bytes(data)
        return np.asarray(Image.open(path).convert("RGBA"))

    def keep_picture(self, name):
        """Writes a picture of the page where it can be looked at."""
        folder = os.environ.get("KERAS_GANMIX_SCREENSHOTS")
        path = Path(folder or os.environ["PYTEST_TMP"]) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self.do("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(shot["data"]))
        return np.asarray(Image.open(path).convert("RGB"))

    def complaints(self):
        """What the console and the policy of the page have to say."""
        found = []
        for event in self.events:
            if event.get("method") == "Log.entryAdded":
                found.append(event["params"]["entry"]["text"])
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(event["params"]))
        return found

    def asked(self):
        """The URLs that the page has asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def close(self):
        os.close(self._to)
        os.close(self._from)
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chromium")
    os.environ["PYTEST_TMP"] = str(folder)
    found = Tab(folder / "profile")
    yield found
    found.close()
    del os.environ["PYTEST_TMP"]


@pytest.fixture
def home(toy_server):
    return f"{toy_server.rest_address}/"


@pytest.fixture
def client(toy_server):
    with Client(toy_server.rest_address, "toy") as found:
        yield found


def cells(stage, columns, rows, size=8):
    """Takes the pictures (size, size) out of a grid of them."""
    gap = 1
    scale = stage.shape[1] // (columns * (size + gap) - gap)
    step = (size + gap) * scale
    found = []
    for i in range(columns * rows):
        top, left = i // columns * step, i % columns * step
        part = stage[top : top + size * scale, left : left + size * scale]
        found.append(part[scale // 2 :: scale, scale // 2 :: scale, :1])
    return np.stack(found)


def test_samples_are_the_pictures_that_the_client_gets(tab, home, client):
    tab.open(f"{home}#mode=samples&seed=7&count=9")
    tab.says("9 pictures of seed 7")
    np.testing.assert_array_equal(
        cells(tab.stage(), 3, 3), client.generate(9, seed=7)
    )
    tab.set("seed", 8)
    tab.set("label", 2)
    tab.set("truncation", 0.5)
    tab.says("9 pictures of seed 8 (class star, truncation 0.5)")
    np.testing.assert_array_equal(
        cells(tab.stage(), 3, 3),
        client.generate(9, seed=8, truncation=0.5, label=2),
    )
    tab.keep_picture("samples")
    assert tab.complaints() == []


def test_the_way_between_two_seeds(tab, home, client):
    tab.open(f"{home}#mode=between&seed=3&other=5&count=4&label=1")
    tab.says("4 pictures from seed 3 to seed 5 (class square)")
    start, end = (client.latents(1, seed=seed)[0] for seed in (3, 5))
    np.testing.assert_array_equal(
        cells(tab.stage(), 2, 2), client.interpolate(start, end, 4, label=1)
    )


def test_names_have_their_pictures(tab, home, client):
    tab.open(f"{home}#mode=name&text=Ada,Zo%C3%AB,%20Li%20%22x%22,%3Cb%3E")
    names = ["Ada", "Zoë", 'Li "x"', "<b>"]
    tab.says("Ada · Zoë · " + 'Li "x" · <b>')
    np.testing.assert_array_equal(
        cells(tab.stage(), 2, 2), client.sample_by_string(names)
    )
    tab.set("text", " , ")
    tab.says("Write a name first.")
    tab.set("text", "Ada")
    tab.says("Ada")
    assert tab.value("document.querySelectorAll('.error').length") == 0


def test_a_walk_goes_on_until_it_is_paused(tab, home):
    tab.open(f"{home}#mode=walk&seed=1&speed=40")
    tab.says("Walking from seed 1 to seed 2")
    tab.says("Walking from seed 2 to seed 3")
    assert tab.value("document.getElementById('stage').dataset.shown") == "1"
    tab.value("document.getElementById('play').click()")
    time.sleep(0.2)
    still = tab.stage()
    time.sleep(0.3)
    np.testing.assert_array_equal(tab.stage(), still)
    tab.value("document.getElementById('play').click()")
    time.sleep(0.5)
    assert (tab.stage() != still).any()
    tab.mode("samples")
    tab.says("pictures of seed 1")
    assert tab.complaints() == []


def test_it_can_be_used_with_the_keyboard(tab, home):
    tab.open(f"{home}#mode=samples&seed=1&count=4")
    tab.says("4 pictures of seed 1")
    tab.value("document.querySelector('input[value=samples]').focus()")
    tab.key("ArrowRight")
    tab.says("Walking from seed 1")
    tab.key("Tab")
    assert tab.value("document.activeElement.id") == "seed"
    tab.mode("samples")
    tab.value(
        "document.getElementById('seed').value = 42;"
        "document.getElementById('seed').focus()"
    )
    tab.key("Enter")
    tab.says("pictures of seed 42")


def test_every_control_has_a_name(tab, home):
    tab.open(home)
    tab.says("pictures of seed 1")
    unnamed = tab.value(
        "[...document.querySelectorAll('input, select, button, canvas')]"
        ".filter(e => !(e.labels?.length && e.labels[0].innerText.trim())"
        " && !e.getAttribute('aria-label') && !e.innerText?.trim())"
        ".filter(e => e.checkVisibility()).map(e => e.outerHTML)"
    )
    assert unnamed == []
    assert tab.value("document.documentElement.lang") == "en"
    assert "25 pictures" not in tab.value(
        "document.getElementById('stage').ariaLabel"
    ), "at most 16, as the export says"


def test_errors_of_the_server_are_shown(tab, home):
    tab.open(f"{home}#mode=samples&count=4")
    tab.says("4 pictures of seed 1")
    tab.value("document.getElementById('count').max = 64")
    tab.set("count", 60)
    tab.says("num_samples: must be from 1 to 16")
    assert "error" in tab.value("document.getElementById('status').className")
    tab.set("count", 3)
    tab.says("3 pictures of seed 1")
    assert tab.value("document.getElementById('status').className") == ""
    tab.value("window.fetch = () => Promise.reject(new TypeError('gone'))")
    tab.set("seed", 5)
    tab.says("The server does not answer.")
    tab.keep_picture("error")


def test_a_late_answer_does_not_replace_a_newer_one(tab, home, client):
    """The first request is held back until the second is drawn."""
    tab.open(f"{home}#mode=samples&seed=1&count=4")
    tab.says("4 pictures of seed 1")
    tab.value(
        "(() => { const real = window.fetch; let first = true;"
        "window.fetch = async (...a) => { const held = first; first = false;"
        "if (held) await new Promise(go => window.letGo = go);"
        "return real(...a) } })()"
    )
    tab.set("seed", 2)
    tab.wait("!!window.letGo")
    tab.set("seed", 3)
    tab.says("4 pictures of seed 3")
    tab.value("window.letGo()")
    time.sleep(0.3)
    np.testing.assert_array_equal(
        cells(tab.stage(), 2, 2), client.generate(4, seed=3)
    )
    assert tab.status() == "4 pictures of seed 3"


def test_the_picture_can_be_downloaded(tab, home, tmp_path):
    tab.open(f"{home}#mode=samples&seed=6&count=4")
    tab.says("4 pictures of seed 6")
    tab.do(
        "Browser.setDownloadBehavior",
        behavior="allow",
        downloadPath=str(tmp_path),
    )
    tab.value("document.getElementById('download').click()")
    path = tmp_path / "toy-samples-6.png"
    end = time.monotonic() + 5
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    with Image.open(path) as image:
        drawn = np.asarray(image.convert("RGBA"))
    np.testing.assert_array_equal(drawn, tab.stage())


def test_nothing_outside_the_server_is_asked(tab, home):
    tab.open(home)
    tab.says("pictures of seed 1")
    tab.mode("between")
    tab.says("from seed 1 to seed 2")
    paths = {url.removeprefix(home) for url in tab.asked()}
    assert paths - {"about:blank"} <= {
        "",
        "page/page.css",
        "page/page.js",
        "page/icon.svg",
        "page/models.json",
        "v1/models/toy/metadata",
        "v1/models/toy:predict",
    }
    tab.value(
        "(() => { const e = document.createElement('script');"
        "e.textContent = 'window.injected = 1'; document.body.append(e) })()"
    )
    assert tab.value("window.injected") is None
    headers = requests.get(home, timeout=5).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 700, 1400])
def test_it_fits_the_screen_and_the_light(tab, home, width, dark):
    tab.open(f"{home}#mode=samples&count=9", width, 800, dark)
    tab.says("9 pictures")
    assert tab.value("document.documentElement.scrollWidth") <= width
    picture = tab.keep_picture(f"page-{width}-{'dark' if dark else 'light'}")
    assert picture.shape == (800, width, 3)
    corner = picture[2, 2].mean()
    assert corner < 60 if dark else corner > 200


def test_other_models_are_shown_as_far_as_they_go(
    tab, toy_export, toy_versions, tmp_path
):
    """Two models; one of them does not say what it is."""
    bare = shutil.copytree(toy_versions / "3", tmp_path / "bare" / "3")
    (bare / "assets.extra" / "generator.json").unlink()
    server = Server(
        {"toy": toy_export, "bare": bare.parent},
        port=0,
        rest_api_port=0,
        report=lambda line: None,
    )
    with server:
        tab.open(f"{server.rest_address}/#model=bare&count=4")
        tab.says("without a description")
        tab.says("4 pictures of seed 1")
        assert not tab.value(
            "document.getElementById('label').checkVisibility()"
        )
        tab.value(
            "(() => { const e = document.getElementById('model');"
            "e.selectedIndex = 0;"
            "e.dispatchEvent(new Event('change', {bubbles: true})) })()"
        )
        tab.says("version 1 · 8")
        assert tab.value("document.getElementById('label').checkVisibility()")
        shutil.rmtree(bare)
        end = time.monotonic() + 5
        while server.versions[1].available and time.monotonic() < end:
            time.sleep(0.05)
        tab.open(f"{server.rest_address}/#model=bare")
        tab.says("No version of “bare” is loaded at the moment.")
