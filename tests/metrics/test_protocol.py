import json

import pytest

from keras_ganmix.metrics import Protocol, higher_is_better, score_name


def protocol(**changes):
    values = {
        "source": "fashion_mnist",
        "split": "test",
        "fingerprint": "ab" * 32,
        "image_shape": [28, 28, 1],
        "num_real": 10_000,
        "num_fake": 10_000,
        "extractor": "fashion",
        "extractor_hash": "cd" * 32,
        "ema": True,
    }
    return Protocol(**(values | changes))


def test_only_inception_gives_the_inception_names():
    assert score_name("frechet", "inception") == "fid"
    assert score_name("kernel", "inception") == "kid"
    assert score_name("classifier_score", "inception") == "inception_score"
    assert score_name("precision", "inception") == "precision[inception]"
    for extractor in ("fashion", "squeezenet", "mine"):
        for metric in ("frechet", "kernel", "classifier_score"):
            assert score_name(metric, extractor) == f"{metric}[{extractor}]"
    assert score_name("modes") == "modes"


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("source", "emoji"),
        ("fingerprint", "00" * 32),
        ("num_real", 2000),
        ("num_fake", 2000),
        ("extractor_hash", "00" * 32),
        ("resize", "nearest"),
        ("ema", False),
    ],
)
def test_what_matters_is_named_as_a_difference(change, value):
    one, two = protocol(), protocol(**{change: value})
    assert one.differences(two) == {change: (one[change], value)}


def test_seed_and_packages_do_not_forbid_a_comparison():
    assert protocol(seed=1).differences(protocol(packages={"a": "1"})) == {}


def test_round_trip_and_mapping():
    one = protocol(packages={"keras": "3"})
    again = Protocol.from_dict(json.loads(json.dumps(one.to_dict())))
    assert again == one
    assert dict(one) == one.to_dict()
    with pytest.raises(KeyError):
        one["to_dict"]
    with pytest.raises(ValueError, match=r"unknown fields \['flavour'\]"):
        Protocol.from_dict({"flavour": 1})


def test_direction():
    assert not higher_is_better("frechet[fashion]")
    assert not higher_is_better("reverse_kl")
    for name in ("precision[fashion]", "coverage[x]", "modes", "high_quality"):
        assert higher_is_better(name)
