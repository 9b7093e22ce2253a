"""What a user gets who installs the package and works elsewhere."""

import ast
import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder into which the package alone is installed."""
    target = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--disable-pip-version-check", "--target", str(target)),
            str(ROOT),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode and "hatchling" in result.stderr:
        pytest.skip("the build backend, hatchling, cannot be had offline")
    assert result.returncode == 0, result.stderr
    return target


def run(installed, cwd, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_trains_from_another_folder(installed, tmp_path):
    module = "keras_ganmix.train"
    where = run(
        installed, tmp_path, "-c", "import keras_ganmix as k; print(k.__file__)"
    )
    assert where.stdout.startswith(str(installed))
    recipes = run(installed, tmp_path, "-m", module, "--list_recipes")
    assert "quickstart" in recipes.stdout
    result = run(
        installed,
        tmp_path,
        *("-m", module, "--recipe", "quickstart", "--steps", "2"),
        *("--set", "data.image_size=16", "--set", "data.batch_size=8"),
        *("--set", "generator.width=8", "--set", "discriminator.width=8"),
        *("--set", "train.log_every=1"),
    )
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "runs/quickstart"
    assert (folder / "samples/step-0000000.png").exists()
    assert (folder / "checkpoints/checkpoint").exists()
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_licences_travel(installed):
    found = {p.name for p in installed.rglob("licenses/**/LICENSE*")}
    assert "LICENSE" in found
    assert list(installed.rglob("embedded/LICENSE"))


def test_importing_needs_no_tensorflow():
    code = (
        "import sys, keras_ganmix, keras_ganmix.recipes, keras_ganmix.train;"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'scipy'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    result = run(ROOT, ROOT, "-c", code)
    assert result.stdout.strip() == "[]", result.stderr


def test_requirements_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = [x for x in lines if x and not x.startswith("#")]
    assert sorted(listed) == sorted(wanted)


#: What is imported, where its name is not that of its distribution.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "annotated_types": "annotated-types",
    "fontTools": "fonttools",
    "google": "protobuf",
    "grpc": "grpcio",
    "h11": "uvicorn",
    "pydantic_core": "pydantic",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_gan": "tensorflow-gan",
    "tensorflow_serving": "tensorflow-serving-api",
    "yaml": "pyyaml",
}


def test_every_import_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = {
        re.split(r"[<>=;\[ ]", requirement)[0]
        for requirement in itertools.chain(project["dependencies"], *extras)
    }
    found = set()
    for path in (ROOT / "keras_ganmix").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    found -= sys.stdlib_module_names | {"keras_ganmix"}
    names = {_DISTRIBUTIONS.get(name, name) for name in found}
    assert names <= declared
