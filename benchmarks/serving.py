"""Times of a served generator: direct, over gRPC, over HTTP.

    python benchmarks/serving.py [savedmodels/NAME] [--json FILE]

The server runs in a process of its own, on loopback. Direct is the SavedModel
loaded in this process, called with the same latents; the three take turns, so
that they share the moods of the machine. Then eight clients at once, half over
gRPC and half over HTTP, for a minute; then ten thousand requests, with the
memory of the server beside them. No retries: an error counts.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf

from keras_ganmix.serving import Client, ServingError
from keras_ganmix.utils.files import write_json

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIGNATURES = ("serving_default", "png")
BATCHES = (1, 8, 64)


class Server:
    """The server in a process of its own."""

    def __init__(self, folder):
        self.folder = tempfile.TemporaryDirectory()
        ready = pathlib.Path(self.folder.name) / "ready.json"
        command = [sys.executable, "-m", "keras_ganmix.serve", str(folder)]
        command += ["--port=0", "--rest_api_port=0", "--model_name=model"]
        self.process = subprocess.Popen(
            [*command, f"--ready_file={ready}"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not ready.exists():
            if self.process.poll() is not None:
                raise SystemExit(f"cannot serve {folder}")
            time.sleep(0.1)
        self.addresses = json.loads(ready.read_text())

    def client(self, transport):
        return Client(self.addresses[transport], "model", retries=0, timeout=60)

    def memory(self):
        """Resident memory in MiB."""
        path = pathlib.Path(f"/proc/{self.process.pid}/statm")
        pages = int(path.read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.folder.cleanup()


def newest(folder):
    versions = [p for p in folder.iterdir() if p.name.isdigit()]
    return max(versions, key=lambda path: int(path.name))


def inputs_of(info, batch, rng):
    """Latents, and labels where there are classes."""
    inputs = {}
    for name, tensor in info["inputs"].items():
        shape = [batch if n is None else n for n in tensor["shape"]]
        if tensor["dtype"] == "float32":
            inputs[name] = rng.standard_normal(shape, np.float32)
        else:
            inputs[name] = np.zeros(shape, tensor["dtype"])
    return inputs


def ways(folder, server, signature):
    """Dict from name to function of the inputs."""
    loaded = tf.saved_model.load(str(newest(folder)))
    function = loaded.signatures[signature]

    def direct(inputs):
        tensors = {name: tf.constant(v) for name, v in inputs.items()}
        return {k: v.numpy() for k, v in function(**tensors).items()}

    # Kept alive: a signature holds no reference to its weights.
    direct.loaded = loaded
    found = {"direct": direct}
    for transport in ("grpc", "rest"):
        client = server.client(transport)
        found[transport] = lambda inputs, client=client: client.predict(
            signature, **inputs
        )
    return found


def measure(functions, inputs, requests):
    """Dict from name to sorted milliseconds; the functions take turns."""
    times = {name: [] for name in functions}
    for round_ in range(requests + 10):
        for name, function in functions.items():
            start = time.perf_counter()
            function(inputs)
            if round_ >= 10:
                seconds = time.perf_counter() - start
                times[name].append(1000 * seconds)
    return {name: sorted(values) for name, values in times.items()}


def percentile(values, percent):
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def latencies(folder, server, requests):
    rng = np.random.default_rng(0)
    with server.client("grpc") as client:
        signatures = client.metadata()["signatures"]
    rows = []
    print("| signature | batch | way | images/s | p50 ms | p99 ms | added ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for signature in SIGNATURES:
        functions = ways(folder, server, signature)
        for batch in BATCHES:
            inputs = inputs_of(signatures[signature], batch, rng)
            count = max(50, requests // max(1, batch // 8))
            times = measure(functions, inputs, count)
            direct = statistics.median(times["direct"])
            for way, values in times.items():
                p50 = statistics.median(values)
                row = {
                    "signature": signature,
                    "batch": batch,
                    "way": way,
                    "requests": len(values),
                    "images_per_second": 1000 * batch / statistics.mean(values),
                    "p50_ms": p50,
                    "p99_ms": percentile(values, 99),
                    "added_ms": p50 - direct,
                }
                rows.append(row)
                print(
                    f"| {signature} | {batch} | {way} "
                    f"| {row['images_per_second']:.0f} | {p50:.2f} "
                    f"| {row['p99_ms']:.2f} | {row['added_ms']:.2f} |",
                    flush=True,
                )
    return rows


def concurrent(server, clients, seconds):
    """Pictures for many clients at once."""
    times, errors, lock = [], [], threading.Lock()
    end = time.monotonic() + seconds

    def ask(i):
        own, failed = [], []
        with server.client(("grpc", "rest")[i % 2]) as client:
            while time.monotonic() < end:
                start = time.perf_counter()
                try:
                    client.generate(4, seed=i)
                except ServingError as error:
                    failed.append(str(error))
                own.append(1000 * (time.perf_counter() - start))
        with lock:
            times.extend(own)
            errors.extend(failed)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    result = {
        "clients": clients,
        "seconds": seconds,
        "requests": len(times),
        "errors": len(errors),
        "requests_per_second": len(times) / seconds,
        "p50_ms": statistics.median(times),
        "p99_ms": percentile(times, 99),
    }
    print(
        f"\n{clients} clients for {seconds} s, 4 pictures a request: "
        f"{len(times)} requests, {len(errors)} errors, "
        f"{result['requests_per_second']:.0f} requests/s, "
        f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms"
    )
    for error in sorted(set(errors))[:5]:
        print(f"  {error}")
    return result


def memory(server, requests):
    """Resident memory of the server over many requests."""
    used = []
    with server.client("grpc") as one, server.client("rest") as other:
        for i in range(requests + 1):
            if i % max(1, requests // 10) == 0:
                used.append(round(server.memory(), 1))
            (one, other)[i % 2].generate(1 + i % 4, seed=i)
    print(f"\nMiB of the server in {requests} requests, at each tenth: {used}")
    return {"requests": requests, "mib": used, "grown_mib": used[-1] - used[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--memory_requests", type=int, default=10_000)
    parser.add_argument("--json", help="file for the results")
    options = parser.parse_args()
    folder = options.folder
    if folder is None:
        shipped = sorted((ROOT / "savedmodels").glob("*/*/saved_model.pb"))
        if not shipped:
            raise SystemExit("which export? savedmodels/ has none")
        folder = shipped[0].parents[1]
    server = Server(folder)
    try:
        results = {
            "latencies": latencies(folder, server, options.requests),
            "concurrent": concurrent(server, options.clients, options.seconds),
            "memory": memory(server, options.memory_requests),
        }
    finally:
        server.stop()
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    main()
