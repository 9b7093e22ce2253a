"""Recipes: what is accepted, what is refused and with which words."""

import inspect
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix import losses, networks, recipes, regularizers
from keras_ganmix.recipes import checks
from keras_ganmix.recipes.loading import MOST_BYTES, dump, parse
from keras_ganmix.recipes.networks import (
    DISCRIMINATORS,
    GENERATORS,
    builder_arguments,
)
from keras_ganmix.recipes.regularizers import REGULARIZERS

BASE = {
    "schema": 1,
    "name": "mine",
    "data": {"source": "fashion_mnist_10k", "image_size": 32},
    "generator": {"network": "dcgan"},
    "discriminator": {"network": "dcgan"},
}


def refused(*changes, data=BASE):
    with pytest.raises(recipes.RecipeError) as caught:
        recipes.from_dict(data, changes)
    return str(caught.value)


def write(folder, text, name="mine.yaml"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", recipes.names(None))
def test_each_recipe_is_valid_named_as_its_file_and_described(name):
    recipe = recipes.load(name, kind=None)
    assert recipe.name == name
    assert 20 < len(recipe.description) < 70
    header = recipes.find(name).read_text().split("schema:")[0]
    for word in ("Data:", "Budget:", "Expect:"):
        assert word in header


def test_the_promised_recipes_are_there():
    assert set(recipes.names()) >= {
        "quickstart",
        "fashion_mnist_dcgan",
        "fashion_mnist_sngan",
        "fashion_mnist_conditional",
        "emoji_dcgan",
        "ring",
        "grid",
        "cifar10_sngan",
        "celeba_dcgan_64",
    }


@pytest.mark.parametrize("name", recipes.names(None))
def test_a_saved_recipe_is_a_recipe_that_says_the_same(name, tmp_path):
    recipe = recipes.load(name, ["train.seed=7"], kind=None)
    recipes.save(recipe, tmp_path / "recipe.yaml")
    assert recipes.load(tmp_path / "recipe.yaml", kind=None) == recipe
    assert recipes.load(tmp_path, kind=None) == recipe  # a run's folder
    # Any YAML reader gets the same data, not only ours.
    plain = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    assert plain == recipe.to_dict()


def test_recipes_are_of_a_gan_or_of_a_classifier():
    gans, classifiers = recipes.names(), recipes.names("classifier")
    assert sorted(gans + classifiers) == recipes.names(None)
    assert set(classifiers) >= {
        f"fashion_mnist_wrn_{method}"
        for method in ("plain", "mixup", "cutmix", "adaptive_mix")
    }
    with pytest.raises(recipes.RecipeError, match=r"keras_ganmix\.classify"):
        recipes.load(classifiers[0])
    with pytest.raises(recipes.RecipeError, match=r"keras_ganmix\.train"):
        recipes.load("quickstart", kind="classifier")
    with pytest.raises(recipes.RecipeError, match="kind: got 'gn'; allowed"):
        recipes.load("quickstart", ["kind=gn"], kind=None)


def test_methods_of_classifiers_mirror_their_classes():
    from keras_ganmix.classifying import methods
    from keras_ganmix.recipes.classifier import METHODS

    classes = {"plain": methods.Plain, "adaptive_mix": methods.AdaptiveMix}
    for type, model in METHODS.models.items():
        values = model(type=type).model_dump(exclude={"type"})
        builder = classes.get(type, methods.Mixing)
        parameters = inspect.signature(builder).parameters
        for name, value in values.items():
            assert parameters[name].default == value


def test_the_section_of_a_wide_resnet_mirrors_its_builder():
    from keras_ganmix.recipes.classifier import WideResNet

    builder = networks.wide_resnet.classifier
    parameters = inspect.signature(builder).parameters
    for name, value in WideResNet().model_dump().items():
        assert parameters[name].default == value


def test_a_saved_recipe_writes_every_default():
    saved = recipes.from_dict(BASE, ["regularizers=[R1]"]).to_dict()
    assert saved["train"]["discriminator_steps"] == 1
    assert saved["regularizers"][0]["type"] == "R1"
    assert "weight" in saved["regularizers"][0]


def test_no_tensorflow_is_imported():
    code = (
        "import sys; from keras_ganmix import recipes; "
        "recipes.load('quickstart'); "
        "print([m for m in ('tensorflow', 'keras', 'numpy') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "change, where, allowed",
    [
        ("data.batch_size=abc", "got 'abc' (text)", "integer >= 1"),
        ("data.batch_size=0", "got 0 (int)", "integer >= 1"),
        ("data.batch_size=2.5", "got 2.5 (float)", "integer >= 1"),
        ("data.batch_size=true", "got true", "integer >= 1"),
        ("data.batch_size=", "got null", "integer >= 1"),
        ("data.flip=yes", "got 'yes' (text)", "true or false"),
        ("data.resize=corp", "did you mean 'crop'", "crop, pad, squeeze"),
        ("generator.ema_momentum=1", "got 1 (int)", ">= 0 and < 1, or null"),
        ("generator.ema_momentum=.nan", "got nan", ">= 0 and < 1, or null"),
        ("train.discriminator_steps=0", "got 0", "integer >= 1"),
        ("train.seed=-1", "got -1", "integer >= 0"),
        ("evaluate.metrics=[]", "got []", "at least 1 of class_coverage"),
        ("evaluate.max_share=0", "got 0", "> 0 and <= 1, or null"),
        ("optimizer.generator.learning_rate=0", "got 0", "number > 0"),
        ("data.source=fashion", "did you mean 'fashion_mnist'", "tfds:"),
        ("name=../up", "got '../up'", "letters, digits"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(change, where, allowed):
    (line,) = refused(change).splitlines()
    path = change.partition("=")[0]
    assert line.startswith(f"--set {change}: {path}: ")
    assert where.lower() in line.lower()
    assert allowed in line


@pytest.mark.parametrize(
    "change, near",
    [
        ("data.bach_size=1", "'batch_size'"),
        ("trian.steps=1", "'train'"),
        ("generator.latent_dims=1", "'latent_dim'"),
        ("optimizer.generator.beta1=0", "'beta_1'"),
        ("generator.network=dcgna", "'dcgan'"),
        ("optimizer.discriminator.type=adma", "'adam'"),
        ("regularizers=[R11]", "'R1'"),
    ],
)
def test_an_unknown_name_lists_the_near_ones(change, near):
    message = refused(change)
    assert "unknown" in message
    assert f"Did you mean {near}" in message


def test_every_mistake_gets_its_line():
    data = {**BASE, "loss": "hinged", "data": {"image_size": "x"}}
    found = refused("train.steps=0", data=data).splitlines()
    assert len(found) == 4
    paths = {line.split(": ")[1] for line in found}
    assert paths == {"loss", "data.image_size", "data.source", "train.steps"}
    assert any(line.startswith("--set train.steps=0: ") for line in found)


@pytest.mark.parametrize("schema", [None, 0, 2, "1", True, 1.5])
def test_another_schema_is_refused(schema):
    message = refused(data={**BASE, "schema": schema})
    assert "reads schema: 1" in message
    assert len(message.splitlines()) == 1


def test_weights_are_numbers_or_mappings():
    listed = ["regularizers.0=R1", "regularizers.0.weight={value: 2, every: 4}"]
    (item,) = recipes.from_dict(BASE, listed).regularizers
    assert (item.weight.value, item.weight.every) == (2, 4)
    message = refused("regularizers=[{type: R1, weight: -0.5}]")
    assert "regularizers.0.weight: got -0.5" in message
    assert "number >= 0" in message
    message = refused("regularizers=[{type: R1, weight: {value: 1, evry: 2}}]")
    assert "regularizers.0.weight.evry: unknown key" in message
    assert "'every'" in message


@pytest.mark.parametrize(
    "changes, path",
    [
        (["regularizers=[R1, R1]"], "regularizers.1"),
        (
            ["regularizers=[AdaptiveMix, {type: SampleMixing, apply: ramp}]"],
            "regularizers.1",
        ),
        (
            ["regularizers=[{type: SampleMixing, mode: target}]"],
            "regularizers.0.mode",
        ),
        (
            [
                "regularizers=[{type: SampleMixing, mode: interpolate}]",
                "loss=relativistic_pairing",
            ],
            "regularizers.0.mode",
        ),
        (
            [
                "regularizers=[{type: SampleMixing, apply: replace}]",
                "loss=wasserstein",
            ],
            "regularizers.0.apply",
        ),
        (
            ["regularizers=[{type: SampleMixing, apply: ramp, weight: 2}]"],
            "regularizers.0.weight",
        ),
        (["data.source=ring", "data.image_size=null"], "generator.network"),
        (["data.image_size=33"], "data.image_size"),
        (
            ["generator.conditional=true", "data.labels=none"],
            "generator.conditional",
        ),
        (["evaluate.metrics=[modes]"], "evaluate.metrics.0"),
        (["evaluate.metrics=[frechet, intra_class]"], "evaluate.metrics.1"),
        (["evaluate.watch=recall"], "evaluate.watch"),
        (
            [
                "data={source: ring}",
                "generator.network=mlp",
                "discriminator.network=mlp",
                "evaluate.every=10",
            ],
            "evaluate.metrics.0",
        ),
        (["train.jit_compile=true", "strategy=mirrored"], "train.jit_compile"),
        (
            ["train.jit_compile=true", "strategy=multi_worker"],
            "train.jit_compile",
        ),
        (["train.accumulate=7"], "train.accumulate"),
        (
            [
                "train.synchronized_batch_norm=true",
                "strategy=mirrored",
                "regularizers=[{type: R1, weight: {value: 1, every: 4}}]",
            ],
            "regularizers.0.weight.every",
        ),
        (
            [
                "train.synchronized_batch_norm=true",
                "strategy=mirrored",
                "regularizers=[{type: SampleMixing, apply: ramp}]",
            ],
            "regularizers.0.apply",
        ),
        (
            ["discriminator.packing=2", "regularizers=[{type: Rotation}]"],
            "regularizers.0",
        ),
        (
            ["discriminator.packing=2", "regularizers=[{type: AdaptiveMix}]"],
            "regularizers.0",
        ),
        (
            ["discriminator.packing=2", "regularizers=[{type: SampleMixing}]"],
            "regularizers.0",
        ),
        (
            [
                "loss=relativistic_pairing",
                "regularizers.0=SampleMixing",
                "regularizers.0.generator_weight.value=1.0",
            ],
            "regularizers.0.generator_weight",
        ),
        (
            [
                "train.accumulate=2",
                "regularizers=[{type: AdaptiveMix, where: pipeline}]",
            ],
            "regularizers.0.where",
        ),
        (["train.steps_per_execution=7"], "train.log_every"),
        (
            ["train.steps_per_execution=2", "evaluate.every=3"],
            "evaluate.every",
        ),
        (
            ["train.steps_per_execution=2", "strategy=mirrored"],
            "train.steps_per_execution",
        ),
        (
            ["optimizer.schedule={start: 9}", "train.steps=9"],
            "optimizer.schedule.start",
        ),
    ],
)
def test_what_cannot_go_together_is_refused(changes, path):
    assert f": {path}: " in refused(*changes)


@pytest.mark.parametrize(
    "changes",
    [
        ["discriminator.packing=2", "regularizers=[{type: Deshuffle}]"],
        [
            "discriminator.packing=2",
            "regularizers=[{type: SampleMixing, weight: 0}]",
        ],
        [
            "train.synchronized_batch_norm=true",
            "strategy=mirrored",
            "discriminator.normalization=none",
            "regularizers=[{type: SampleMixing, apply: ramp}]",
        ],
    ],
)
def test_what_goes_with_packing_and_synchronization(changes):
    recipes.from_dict(BASE, changes)


@pytest.mark.parametrize(
    "listed",
    [
        "[R1, {type: R1, name: other}]",
        "[AdaptiveMix, SampleMixing]",
        "[{type: SampleMixing, mode: consistency}]",
    ],
)
def test_what_can_go_together_is_accepted(listed):
    assert recipes.from_dict(BASE, [f"regularizers={listed}"]).regularizers


def test_changes_apply_in_order_and_make_sections():
    recipe = recipes.from_dict(
        BASE,
        [
            "train.steps=5",
            "train.steps=6",
            "checkpoint.every=100",
            "regularizers.0=Deshuffle",
            "regularizers.1={type: R1, weight: 1}",
            "regularizers.0.generator_weight=1e-3",
            "samples=null",
        ],
    )
    assert recipe.train.steps == 6
    assert recipe.checkpoint.every == 100
    assert [item.type for item in recipe.regularizers] == ["Deshuffle", "R1"]
    assert recipe.regularizers[0].generator_weight == 0.001
    assert recipe.samples is None


@pytest.mark.parametrize(
    "change, words",
    [
        ("data.batch_size", "PATH=VALUE"),
        ("=3", "PATH=VALUE"),
        ("data..x=3", "PATH=VALUE"),
        ("regularizers.3=R1", "a list of 0; got 3"),
        ("regularizers.first=R1", "a list of 0; got 'first'"),
        ("name.x=1", "name is 'mine' and has no 'x'"),
        ("data.batch_size=[1", "--set data.batch_size=[1: line 1"),
        ("data=!!python/object:os.system x", "is not allowed"),
    ],
)
def test_a_change_that_leads_nowhere_is_refused(change, words):
    if change.startswith("regularizers"):
        data = {**BASE, "regularizers": []}
    else:
        data = BASE
    assert words in refused(change, data=data)


def test_changes_leave_the_given_data_alone():
    data = {**BASE, "regularizers": ["R1"]}
    recipes.from_dict(data, ["data.batch_size=9", "regularizers.1=R2"])
    assert "batch_size" not in data["data"]
    assert data["regularizers"] == ["R1"]


def test_relative_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = recipes.from_dict(BASE, ["data.source=folder:photos"])
    assert recipe.data.source == f"folder:{tmp_path}/photos"
    changes = ["data.source=stacked_digits:npz:digits.npz"]
    changes += ["evaluate.extractor=own.keras"]
    recipe = recipes.from_dict(BASE, changes)
    assert recipe.data.source == f"stacked_digits:npz:{tmp_path}/digits.npz"
    assert recipe.evaluate.extractor == f"{tmp_path}/own.keras"
    for source in ("stacked_digits:mnist", "stacked_digits:tfds:mnist"):
        recipe = recipes.from_dict(BASE, [f"data.source={source}"])
        assert recipe.data.source == source
    assert recipes.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    "text, words",
    [
        ("a: 1\na: 2", "line 2, column 1: key 'a' is given twice"),
        ("1: 2", "keys must be text"),
        ("? [a]\n: 2", "keys must be text"),
        ("a: [", "line 1"),
        ("- a", "holds list"),
        ("", "holds nothing"),
        ("just text", "holds str"),
        ("a: !!python/name:os.system", "the tag 'tag:yaml.org,2002:python"),
        ("a: &x [*x]", "nested too deeply"),
        (b"\xff\xfe\xfa", "not UTF-8"),
        ("a: \x00", "is not text"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("#" * (MOST_BYTES + 1), "larger than"),
        ("a: 1\n---\nb: 2", "expected a single document"),
    ],
)
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(recipes.RecipeError) as caught:
        recipes.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_aliases_may_be_used_but_not_to_explode(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for i in range(1, 10):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]")
    path = write(tmp_path, "\n".join(lines))
    with pytest.raises(recipes.RecipeError, match="aliases counted"):
        recipes.load(path)
    shared = parse("a: &x {b: [1]}\nc: *x")
    shared["a"]["b"].append(2)
    assert shared["c"] == {"b": [1]}


def test_scalars_are_those_of_yaml_1_2():
    text = "[1e-4, 1_000, yes, 010, 2020-01-01, 1:30, ~, null, True, .inf, '1']"
    assert parse(text) == [
        1e-4,
        1000,
        "yes",
        "010",
        "2020-01-01",
        "1:30",
        None,
        None,
        True,
        float("inf"),
        "1",
    ]


plain_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["1e-4", "yes", "null", "~", "010", "1_0", ".5", "0x1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(plain_data)
def test_what_is_written_is_read_back(data):
    assert parse(dump({"x": data})) == {"x": data}


def test_find_names_the_near_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(recipes.RecipeError, match="mean 'quickstart'"):
        recipes.find("quikstart")
    with pytest.raises(recipes.RecipeError, match="no such recipe file"):
        recipes.find("some/where.yaml")
    write(tmp_path, "schema: 1", "quickstart")
    assert recipes.find("quickstart").parent == recipes.folder()


def test_many_mistakes_are_cut_short():
    data = {**BASE, **{f"key{i}": 1 for i in range(50)}}
    found = refused(data=data).splitlines()
    assert len(found) == 21
    assert found[-1] == "... and 30 more"


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize("family", networks.NAMES)
def test_network_sections_mirror_the_builders(kind, family):
    tables = {"generator": GENERATORS, "discriminator": DISCRIMINATORS}
    section = tables[kind].models[family](network=family)
    builder = getattr(getattr(networks, family), kind)
    parameters = inspect.signature(builder).parameters
    from_elsewhere = {"image_shape", "num_classes", "synchronized"}
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in from_elsewhere
    }
    assert builder_arguments(section) == defaults


@pytest.mark.parametrize("name", recipes.LOSSES)
def test_what_is_known_about_losses_is_what_they_are(name):
    loss = losses.get(name)
    assert (name in checks.TARGET_LOSSES) == (loss.targets is not None)
    assert (name in checks.BRANCH_LOSSES) == loss.has_branches


def _regularizer_classes():
    return {
        name: item
        for name, item in vars(regularizers).items()
        if inspect.isclass(item)
        and issubclass(item, regularizers.Regularizer)
        and name not in ("Regularizer", "SelfSupervision")  # base classes
    }


def test_recipes_know_every_regularizer():
    assert set(REGULARIZERS.models) == set(_regularizer_classes())


@pytest.mark.parametrize("name", REGULARIZERS.models)
def test_regularizer_sections_mirror_the_layers(name):
    section = REGULARIZERS.models[name](type=name)
    layer = _regularizer_classes()[name]
    parameters = inspect.signature(layer.__init__).parameters
    defaults = {
        name: list(parameter.default)
        if isinstance(parameter.default, tuple)
        else parameter.default
        for name, parameter in parameters.items()
        if name != "self"
    }
    fields = section.model_dump(exclude={"type"})
    assert fields == defaults
