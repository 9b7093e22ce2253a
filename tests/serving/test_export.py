"""Exported generators: what is in them, and that they draw the same."""

import ast
import importlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time

import keras
import numpy as np
import openvino
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

import keras_ganmix as kgm
from keras_ganmix.ops.random import Draws
from keras_ganmix.serving import exporting, self_check, signatures, warmup
from keras_ganmix.serving.card import model_card
from keras_ganmix.trained import TrainedGenerator

CLASSES = ["circle", "square", "star"]
MOST = 9


def perturb(model, seed):
    """Gives a model weights far from the initial ones."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=w.shape) / 2 for w in model.get_weights()]
    model.set_weights([w.astype("float32") for w in weights])


def export_here(gan, path, **kwargs):
    """Exports and checks in this process, which is faster."""
    folder = kgm.serving.export(gan, path, self_check=False, **kwargs)
    self_check.check(folder)
    return folder


@pytest.fixture
def one_signature(monkeypatch):
    """Exports have `serving_default` only, which is faster."""
    for module in (exporting, signatures, warmup):
        monkeypatch.setattr(
            module, "signature_names", lambda generator: ["serving_default"]
        )


@pytest.fixture(scope="module")
def gan(tiny):
    """Conditional, in colour; the average differs from the trained."""
    gan = tiny.gan(channels=3, num_classes=3)
    perturb(gan.generator, 1)
    perturb(gan.ema_generator, 2)
    gan.step.assign(7)
    return gan


@pytest.fixture(scope="module")
def exported(gan, tmp_path_factory):
    """The folder of an export, checked in a process of its own."""
    name = tmp_path_factory.mktemp("exports") / "shapes"
    return export_here(gan, name, class_names=CLASSES, max_samples=MOST)


@pytest.fixture(scope="module")
def model(exported):
    return tf.saved_model.load(str(exported))


@pytest.fixture(scope="module")
def call(model):
    """Function of a signature's name and inputs; returns arrays."""

    def call(name, **inputs):
        specs = model.signatures[name].structured_input_signature[1]
        given = {"truncation": -1.0, "label": -1} | inputs
        made = model.signatures[name](
            **{k: tf.constant(given[k], s.dtype) for k, s in specs.items()}
        )
        return {key: value.numpy() for key, value in made.items()}

    return call


def decode(files):
    return np.stack([np.asarray(Image.open(io.BytesIO(f))) for f in files])


def levels(a, b):
    """The largest difference of two uint8 arrays."""
    assert a.shape == b.shape
    return np.abs(a.astype(int) - b.astype(int)).max()


def latents_of(seed, n, truncation=None):
    draws = Draws(seed, 0).scope("generate")
    return draws.latents("latents", (n, 8), truncation=truncation).numpy()


@pytest.mark.parametrize("name", ["serving_default", "uint8", "png"])
@pytest.mark.parametrize("batch", [1, 5])
def test_latents_become_the_images_of_the_average(name, batch, call, gan):
    latents = latents_of(3, batch)
    labels = np.arange(batch, dtype="int32") % 3
    wanted = gan.ema_generator([latents, labels], training=False).numpy()
    made = call(name, latents=latents, labels=labels)
    if name == "serving_default":
        assert made["images"].dtype == np.float32
        np.testing.assert_allclose(made["images"], wanted, atol=1e-5)
        return
    pixels = np.rint((wanted + 1) * 127.5).astype(np.uint8)
    got = made["images"] if name == "uint8" else decode(made["png_bytes"])
    assert got.dtype == np.uint8
    assert levels(got, pixels) <= 1


@pytest.mark.parametrize(
    "arguments",
    [{}, {"truncation": 0.4}, {"label": 2}, {"truncation": 3.0, "label": 0}],
)
def test_a_sample_is_what_generate_gives(arguments, call, gan):
    made = call("sample", num_samples=MOST, seed=2**40 + 5, **arguments)
    label = arguments.get("label")
    cut = arguments.get("truncation")
    wanted = gan.generate(MOST, label, seed=2**40 + 5, truncation=cut)
    assert levels(decode(made["png_bytes"]), wanted) <= 1
    latents = latents_of(2**40 + 5, MOST, cut)
    np.testing.assert_allclose(made["latents"], latents, atol=1e-6)
    in_turn = np.arange(MOST) % 3
    labels = in_turn if label is None else np.full(MOST, label)
    np.testing.assert_array_equal(made["labels"], labels)


def test_the_first_samples_do_not_depend_on_their_number(call):
    few = call("sample", num_samples=2, seed=11)
    many = call("sample", num_samples=7, seed=11)
    np.testing.assert_array_equal(few["latents"], many["latents"][:2])
    first = decode(many["png_bytes"][:2])
    assert levels(decode(few["png_bytes"]), first) <= 1


def test_a_string_has_one_picture_wherever_it_stands(call, gan):
    words = ["a", "", "kitten", "Käse", "a"]
    made = call("sample_by_string", strings=words)
    pictures = decode(made["png_bytes"])
    assert levels(pictures[0], pictures[4]) <= 1
    assert len(np.unique(made["seeds"])) == 4
    assert (made["seeds"] >= 0).all() and (made["seeds"] < 2**53).all()
    alone = call("sample_by_string", strings=["kitten"])
    assert levels(decode(alone["png_bytes"])[0], pictures[2]) <= 1
    for word in range(4):
        seed, label = made["seeds"][word], made["labels"][word]
        assert 0 <= label < 3
        wanted = gan.generate(1, int(label), seed=int(seed))
        assert levels(pictures[word : word + 1], wanted) <= 1
    # FarmHash's Fingerprint64, which will never change.
    assert made["seeds"][0] == 12917804110809363939 % 2**53


def test_an_interpolation_goes_along_the_circle(call, gan):
    start, end = latents_of(5, 2)
    made = call("interpolate", start=start, end=end, steps=6, label=1)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    angle = np.arccos(start @ end / np.prod(lengths))
    wanted = []
    for t in np.linspace(0, 1, 6):
        direction = (
            np.sin((1 - t) * angle) * start / lengths[0]
            + np.sin(t * angle) * end / lengths[1]
        ) / np.sin(angle)
        wanted.append(direction * ((1 - t) * lengths[0] + t * lengths[1]))
    np.testing.assert_allclose(made["latents"], wanted, atol=1e-5)
    inputs = [np.float32(wanted), np.full(6, 1)]
    images = gan.ema_generator(inputs, training=False).numpy()
    pixels = np.rint((images + 1) * 127.5).astype(np.uint8)
    assert levels(decode(made["png_bytes"]), pixels) <= 1


LATENTS = np.zeros((2, 8), "float32")
SPOILT = np.float32([[0] * 8, [0] * 7 + [np.nan]])


@pytest.mark.parametrize(
    "name, inputs, words",
    [
        ("serving_default", {"latents": SPOILT}, "latents: must be finite"),
        ("uint8", {"latents": SPOILT + np.inf}, "latents: must be finite"),
        ("png", {"latents": LATENTS + 2e6}, "from -1000000 to 1000000"),
        ("serving_default", {"labels": [0, 3]}, "labels: must be from 0 to 2"),
        ("png", {"labels": [-1, 0]}, "labels: must be from 0 to 2"),
        ("uint8", {"labels": [0]}, "labels: there must be as many as latents"),
        ("sample", {"num_samples": 0}, "num_samples: must be from 1 to 9"),
        ("sample", {"num_samples": -3}, "num_samples: must be from 1 to 9"),
        ("sample", {"num_samples": 10}, "num_samples: must be from 1 to 9"),
        ("sample", {"num_samples": 2**31 - 1}, "from 1 to 9"),
        ("sample", {"truncation": 0.0}, "truncation: must be above 0"),
        ("sample", {"truncation": -2.0}, "truncation: must be above 0"),
        ("sample", {"truncation": np.nan}, "truncation: must be above 0"),
        ("sample", {"truncation": np.inf}, "truncation: must be above 0"),
        ("sample", {"label": 3}, "label: must be from -1 to 2"),
        ("sample_by_string", {"strings": ["x"] * 10}, "strings: must be at"),
        ("sample_by_string", {"truncation": -0.5}, "truncation: must be"),
        ("sample_by_string", {"label": -2}, "label: must be from -1 to 2"),
        ("interpolate", {"steps": 0}, "steps: must be from 1 to 9"),
        ("interpolate", {"steps": 10}, "steps: must be from 1 to 9"),
        ("interpolate", {"start": SPOILT[1]}, "start: must be finite"),
        ("interpolate", {"end": SPOILT[1]}, "end: must be finite"),
        ("interpolate", {"label": -1}, "label: must be from 0 to 2"),
    ],
)
def test_bad_values_are_invalid_and_named(name, inputs, words, call):
    good = {
        "latents": LATENTS,
        "labels": [0, 1],
        "num_samples": 2,
        "seed": 0,
        "strings": ["x"],
        "start": LATENTS[0],
        "end": LATENTS[0],
        "steps": 2,
        "label": 0,
    }
    call(name, **good)
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        call(name, **(good | inputs))


def test_no_latents_give_no_images(call):
    none = {"latents": np.zeros((0, 8)), "labels": np.zeros(0)}
    assert call("serving_default", **none)["images"].shape == (0, 8, 8, 3)
    assert call("png", **none)["png_bytes"].shape == (0,)


def test_defaults_are_in_the_file_and_work_without_being_sent(exported, gan):
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((exported / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    defaults = {
        name: {k: tf.make_ndarray(v).item() for k, v in s.defaults.items()}
        for name, s in signatures.items()
        if s.defaults
    }
    assert defaults == {
        "sample": {"truncation": -1.0, "label": -1},
        "sample_by_string": {"truncation": -1.0, "label": -1},
        "interpolate": {"label": 0},
    }
    # As TF Serving does it: a session that is fed what was sent.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], str(exported))
        sample = signatures["sample"]
        files = session.run(
            sample.outputs["png_bytes"].name,
            {
                sample.inputs["num_samples"].name: 4,
                sample.inputs["seed"].name: 1,
            },
        )
    assert levels(decode(files), gan.generate(4, seed=1)) <= 1


def test_it_holds_the_generator_and_nothing_else(exported, gan):
    prefix = str(exported / "variables" / "variables")
    shapes = [
        shape
        for name, shape in tf.train.list_variables(prefix)
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    ]
    wanted = [list(w.shape) for w in gan.ema_generator.get_weights()]
    assert sorted(map(list, shapes)) == sorted(wanted)
    saved = (exported / "saved_model.pb").read_bytes()
    for word in (b"keras", b"PyFunc", b"discriminator", str(exported).encode()):
        assert word not in saved.lower()


def test_json_and_card_tell_what_it_is(exported):
    extra = exported / "assets.extra"
    facts = json.loads((extra / "generator.json").read_text())
    assert facts["schema"] == 1
    assert (facts["name"], facts["version"]) == ("shapes", 1)
    assert facts["image_shape"] == [8, 8, 3]
    assert (facts["num_classes"], facts["class_names"]) == (3, CLASSES)
    assert (facts["latent_dim"], facts["max_samples"]) == (8, MOST)
    assert (facts["which"], facts["step"]) == ("ema", 7)
    card = (exported / "model_card.md").read_text()
    for words in (
        "# shapes, version 1",
        "`labels` int32 (B,), 0 to 2",
        "`num_samples` int32 (), 1 to 9",
        facts["weights_sha256"],
    ):
        assert words in card


def test_calls_in_the_card_bear_any_name(exported):
    extra = exported / "assets.extra"
    facts = json.loads((extra / "generator.json").read_text())
    name = 'it\'s a $HOME "ü" \\'
    card = model_card(
        facts | {"name": name}, np.load(extra / "reference.npz"), None
    )
    *_, shell = card.split("```bash\n")
    command = shell.split("```")[0].replace("\\\n", " ")
    words = shlex.split(command)
    assert f"$PWD/{name}:/models/{name}" in words
    assert f"MODEL_NAME={name}" in words
    python = card.split("```python\n")[1].split("```")[0]
    constants = [
        node.value
        for node in ast.walk(ast.parse(python))
        if isinstance(node, ast.Constant)
    ]
    assert f"{name}/1" in constants


def test_openvino_makes_the_same_images(exported, gan):
    core = openvino.Core()
    compiled = core.compile_model(
        openvino.convert_model(str(exported)),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    latents, labels = latents_of(4, 6), np.arange(6, dtype="int32") % 3
    (images,) = compiled({"latents": latents, "labels": labels}).values()
    wanted = gan.ema_generator([latents, labels], training=False).numpy()
    np.testing.assert_allclose(images, wanted, atol=1e-5)


def test_warm_up_requests_are_those_of_the_published_protocol(exported, model):
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    names = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "shapes"
        function = model.signatures[request.model_spec.signature_name]
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        specs = function.structured_input_signature[1]
        assert inputs.keys() == specs.keys()
        given = {k: tf.constant(v, specs[k].dtype) for k, v in inputs.items()}
        for value in function(**given).values():
            assert len(value) in (1, 8)
        names.append(request.model_spec.signature_name)
    assert set(names) == set(model.signatures)


# Other generators.


class Subclassed(keras.Model):
    """Not functional: Keras cannot clone it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(64)

    def call(self, latents):
        return keras.ops.reshape(self.dense(latents), (-1, 8, 8, 1))


def test_a_subclassed_generator_is_exported_and_kept_in_range(tiny, tmp_path):
    keras.utils.set_random_seed(0)
    gan = kgm.GAN(
        Subclassed(),
        tiny.discriminator(),
        latent_dim=8,
        latent_distribution="uniform",
        ema_momentum=None,
    )
    perturb(gan.generator, 3)
    folder = export_here(gan, tmp_path / "own")
    model = tf.saved_model.load(str(folder))
    latents = tf.constant(latents_of(0, 3))
    raw = gan.generator(latents).numpy()
    assert np.abs(raw).max() > 1
    made = model.signatures["serving_default"](latents=latents)["images"]
    np.testing.assert_allclose(made, raw.clip(-1, 1), atol=1e-5)
    facts = json.loads((folder / "assets.extra" / "generator.json").read_text())
    assert facts["which"] == "last"  # there is no average
    sample = model.signatures["sample"](
        num_samples=tf.constant(40),
        seed=tf.constant(0, tf.int64),
        truncation=tf.constant(0.25),
    )
    assert 0.2 < np.abs(sample["latents"]).max() <= 0.25
    corner = tf.one_hot(0, 8)
    way = model.signatures["interpolate"](
        start=tf.ones(8), end=corner, steps=tf.constant(9)
    )["latents"].numpy()
    assert way.max() == 1  # the sphere bulges out of the cube
    np.testing.assert_allclose(way[[0, -1]], [np.ones(8), corner], atol=1e-6)
    files = sample["png_bytes"].numpy()
    wanted = gan.generate(40, seed=0, truncation=0.25)
    assert levels(decode(files)[..., None], wanted) <= 1


def test_mixed_precision_gives_float32(tiny, tmp_path, one_signature):
    check_mixed(tiny, tmp_path, "mixed_float16")


@pytest.mark.long
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_in_all_signatures(policy, tiny, tmp_path):
    check_mixed(tiny, tmp_path, policy)


def check_mixed(tiny, tmp_path, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        gan = tiny.gan()
    finally:
        keras.config.set_dtype_policy(before)
    perturb(gan.ema_generator, 4)
    folder = export_here(gan, tmp_path / "mixed")
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert signature.output_dtypes == {"images": tf.float32}


def test_a_generator_of_two_replicas_leaves_the_strategy(
    tiny, tmp_path, one_signature
):
    with tiny.strategy().scope():
        gan = tiny.gan()
    perturb(gan.ema_generator, 5)
    folder = export_here(gan, tmp_path / "mirrored")
    assert b"MirroredVariable" not in (folder / "saved_model.pb").read_bytes()


@pytest.fixture(scope="module")
def small():
    """The cheapest thing to export: points."""
    latents = keras.Input((4,))
    points = keras.Model(latents, keras.layers.Dense(2)(latents))
    return TrainedGenerator(points, (2,), 4)


def test_points_have_one_signature(small, tmp_path):
    folder = export_here(small, tmp_path / "points")
    model = tf.saved_model.load(str(folder))
    assert set(model.signatures) == {"serving_default"}
    inputs = tf.constant(5 * np.eye(4, dtype="float32"))
    made = model.signatures["serving_default"](latents=inputs)["images"]
    np.testing.assert_allclose(made, small.model(inputs), atol=1e-5)
    assert "points (2)" in (folder / "model_card.md").read_text()


# Folders and failures.


def visible(folder):
    """Names that a server looks at."""
    return sorted(p.name for p in folder.iterdir() if p.name.isdecimal())


def test_versions_count_up_and_are_never_replaced(small, tmp_path):
    name = tmp_path / "deep" / "name"
    for path, number in ((name, 1), (name / "7", 7), (name, 8)):
        made = kgm.serving.export(small, path, self_check=False)
        assert made == name / str(number)
        facts = json.loads(
            (made / "assets.extra" / "generator.json").read_text()
        )
        assert facts["version"] == number
    with pytest.raises(ValueError, match=r"7 exists; .*next \(9\)"):
        kgm.serving.export(small, name / "7", self_check=False)
    with pytest.raises(ValueError, match="versions begin at 1"):
        kgm.serving.export(small, name / "0", self_check=False)
    assert visible(name) == ["1", "7", "8"]
    assert not list(name.glob(".*"))
    assert made.stat().st_mode & 0o777 == 0o755 & made.parent.stat().st_mode


def test_an_export_that_comes_second_takes_the_next_number(
    small, tmp_path, monkeypatch
):
    write = exporting.model_card
    rivals = iter(["1", "2"])

    def slow_card(*args):
        for rival in rivals:
            (tmp_path / "name" / rival).mkdir()
            (tmp_path / "name" / rival / "saved_model.pb").touch()
            break
        return write(*args)

    monkeypatch.setattr(exporting, "model_card", slow_card)
    made = kgm.serving.export(small, tmp_path / "name", self_check=False)
    assert made.name == "3"
    facts = json.loads((made / "assets.extra" / "generator.json").read_text())
    assert facts["version"] == 3
    assert "version 3" in (made / "model_card.md").read_text()


def test_a_failed_check_leaves_nothing(small, tmp_path, monkeypatch):
    script = tmp_path / "check.py"
    script.write_text("import sys\nprint('no', sys.argv[1])\nsys.exit(1)")
    monkeypatch.setattr(exporting.checker, "__file__", str(script))
    with pytest.raises(
        kgm.serving.ExportError, match=r"self-check .* failed: no /.*/new/name/"
    ):
        kgm.serving.export(small, tmp_path / "new" / "name")
    assert list(tmp_path.iterdir()) == [script]


def test_the_check_says_what_is_wrong(small, tmp_path, monkeypatch, capsys):
    """As the script that it is in a clean process."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    folder = kgm.serving.export(small, tmp_path / "1", self_check=False)
    assert self_check.main(folder) == 0
    path = folder / "assets.extra" / "reference.npz"
    references = dict(np.load(path))
    np.savez(path, **references | {"images": references["images"] + 0.1})
    assert self_check.main(folder) == 1
    said = capsys.readouterr().out
    assert said.startswith("CheckError: serving_default: differs by 0.1 ")
    monkeypatch.delitem(sys.modules, "keras_ganmix.export", raising=False)
    with pytest.raises(ImportError, match="an export must not need it"):
        importlib.import_module("keras_ganmix.export")


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda facts: facts["signatures"].append("more"), "missing.*more"),
        (
            lambda facts: facts.update(max_samples=5),
            "num_samples 6: is not ref",
        ),
    ],
)
def test_damage_is_found(damage, words, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "1")
    path = folder / "assets.extra" / "generator.json"
    facts = json.loads(path.read_text())
    damage(facts)
    path.write_text(json.dumps(facts))
    with pytest.raises(self_check.CheckError, match=words):
        self_check.check(folder)


def other(name, **changes):
    """What a signature would do if it took other inputs than those sent."""

    def wrong(functions):
        def call(**inputs):
            changed = {k: change(inputs[k]) for k, change in changes.items()}
            return functions[name](**(inputs | changed))

        return {**functions, name: call}

    return name, wrong


def reversed_pictures(functions):
    def call(**inputs):
        made = functions["sample"](**inputs)
        return {**made, "png_bytes": made["png_bytes"][::-1]}

    return {**functions, "sample": call}


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("sample", reversed_pictures),
        other("uint8", latents=lambda latents: latents * 0.9),
        other("png", labels=lambda labels: labels[::-1]),
        other("sample", seed=lambda seed: seed + 1),
        other("sample", truncation=lambda cut: -tf.ones_like(cut)),
        other("sample_by_string", strings=lambda s: tf.zeros_like(s)),
        other("interpolate", start=lambda start: 0.9 * start),
        other("interpolate", end=lambda end: 0.9 * end),
    ],
)
def test_signatures_that_do_something_else_are_found(
    name, wrong, exported, model
):
    extra = exported / "assets.extra"
    facts = json.loads((extra / "generator.json").read_text())
    references = dict(np.load(extra / "reference.npz"))
    inputs = {k: tf.constant(references[k]) for k in ("latents", "labels")}
    check, functions = self_check._CHECKS[name], dict(model.signatures)
    check(functions, inputs, references["images"], facts)
    with pytest.raises(self_check.CheckError, match=name):
        check(wrong(functions), inputs, references["images"], facts)


def test_images_of_other_latents_are_found(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "1")
    path = folder / "assets.extra" / "reference.npz"
    references = dict(np.load(path))
    references["latents"] = references["latents"][::-1]
    np.savez(path, **references)
    with pytest.raises(self_check.CheckError, match="serving_default: diff"):
        self_check.check(folder)


def test_calls_into_python_are_found(tmp_path):
    module = tf.Module()
    module.f = tf.function(
        lambda x: tf.numpy_function(np.sin, [x], tf.float32),
        input_signature=[tf.TensorSpec((None,), tf.float32)],
    )
    tf.saved_model.save(module, str(tmp_path), {"f": module.f})
    with pytest.raises(self_check.CheckError, match="calls Python"):
        self_check._check_operations(tmp_path)


def test_an_interrupted_export_leaves_nothing(small, tmp_path, monkeypatch):
    def interrupt(*args):
        assert list((tmp_path / "name").glob(".*/saved_model.pb"))
        assert visible(tmp_path / "name") == []
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "check_in_clean_process", interrupt)
    with pytest.raises(KeyboardInterrupt):
        kgm.serving.export(small, tmp_path / "name")
    assert not (tmp_path / "name").exists()


def test_what_killed_exports_left_is_removed_a_day_later(small, tmp_path):
    name = tmp_path / "name"
    for leftover, age in ((".exporting-old", 90_000), (".exporting-new", 60)):
        (name / leftover).mkdir(parents=True)
        before = (name / leftover).stat().st_mtime - age
        os.utime(name / leftover, (before, before))
    kgm.serving.export(small, name, self_check=False)
    assert sorted(p.name for p in name.iterdir()) == [".exporting-new", "1"]


@pytest.mark.parametrize(
    "kwargs, words",
    [
        ({"max_samples": 0}, "max_samples: 0"),
        ({"which": "best"}, "which: 'best'"),
        ({"class_names": ["a"]}, "class_names: 1 names for 3"),
    ],
)
def test_bad_arguments_are_named(kwargs, words, gan, tmp_path):
    with pytest.raises(ValueError, match=words):
        kgm.serving.export(gan, tmp_path / "name", **kwargs)
    assert list(tmp_path.iterdir()) == []


_TINY = """
import sys
import time
import keras, keras_ganmix as kgm
latents = keras.Input((8,))
images = keras.layers.Dense(64)(latents)
images = keras.layers.Reshape((8, 8, 1))(images)
from keras_ganmix.trained import TrainedGenerator
generator = TrainedGenerator(keras.Model(latents, images), (8, 8, 1), 8)
print("ready", flush=True)
sys.stdin.readline()
print(kgm.serving.export(generator, sys.argv[1]).name)
"""


def start(name):
    process = subprocess.Popen(
        [sys.executable, "-c", _TINY, str(name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.long
def test_two_exports_at_once_get_two_versions(tmp_path):
    processes = [start(tmp_path / "name") for _ in range(2)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert sorted(said) == ["1\n", "2\n"]
    for number in ("1", "2"):
        self_check.check(tmp_path / "name" / number)


@pytest.mark.long
def test_a_killed_export_shows_nothing(tmp_path):
    process = start(tmp_path / "name")
    process.stdin.write("\n")
    process.stdin.flush()
    end = time.monotonic() + 60
    while not list(tmp_path.glob("name/.*/saved_model.pb")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert visible(tmp_path / "name") == []
