import subprocess
import sys
import threading

import numpy as np
import pytest

from keras_ganmix.utils import tfgan


def loaded():
    return {n for n in sys.modules if n.startswith("tensorflow_gan")}


def test_import_is_lazy():
    code = (
        "import sys; from keras_ganmix.utils import tfgan;"
        "assert tfgan.available();"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_restores_sys_modules(monkeypatch):
    marker = object()
    monkeypatch.setitem(sys.modules, "tensorflow_gan.python.marker", marker)
    before = loaded()
    tfgan._load.cache_clear()
    tfgan.losses()
    assert loaded() == before
    assert sys.modules["tensorflow_gan.python.marker"] is marker


def test_same_module_from_every_thread():
    tfgan._load.cache_clear()
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(tfgan.losses()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and len(set(map(id, results))) == 1
    assert not loaded()


def test_modules_compute():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4)).astype("float32")
    distance = tfgan.classifier_metrics
    fid = distance().frechet_classifier_distance_from_activations(x, x + 2.0)
    np.testing.assert_allclose(fid, 16.0, rtol=1e-3)
    grid = tfgan.eval_utils().image_grid(
        np.zeros((4, 3, 3, 1), "float32"), (2, 2), (3, 3), 1
    )
    assert tuple(grid.shape) == (1, 6, 6, 1)
    assert callable(tfgan.sliced_wasserstein().sliced_wasserstein_distance)


def test_missing_package_says_what_to_install(monkeypatch):
    tfgan._load.cache_clear()
    monkeypatch.setattr(tfgan, "_PACKAGE", "tensorflow_gan_is_not_here")
    assert not tfgan.available()
    with pytest.raises(ImportError, match="pip install tensorflow-gan"):
        tfgan.losses()
