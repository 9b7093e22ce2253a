import inspect
import subprocess
import sys

import pytest

from keras_ganmix import networks


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("kind", networks.KINDS)
def test_argument_table_equals_the_signatures(kind, name):
    builder = getattr(getattr(networks, name), kind)
    assert set(networks.arguments(kind, name)) == set(
        inspect.signature(builder).parameters
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("generatr", "dcgan"), "'generatr'.*'generator'"),
        (("generator", "dcgna"), "'dcgna'.*'dcgan'.*wgan_gp"),
    ],
)
def test_unknown_names_list_near_ones(arguments, message):
    with pytest.raises(ValueError, match=message):
        networks.build(*arguments, image_shape=(32, 32, 3))


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("dcgan", {"widht": 3}, "'widht'.*'width'"),
        ("sngan", {"kernel_size": 4}, "argument of sngan.generator"),
        ("dcgan", {"image_shape": (30, 30, 3)}, "nearest are 28 and 32"),
        ("dcgan", {"image_shape": (512, 512, 3)}, "nearest are 128 and 256"),
        ("dcgan", {"image_shape": (32, 64, 3)}, "not square"),
        ("sngan", {"image_shape": (32, 32)}, "2 dimensions"),
        ("wgan_gp", {"image_shape": 32}, "image_shape: 32"),
        ("mlp", {"image_shape": ()}, "empty"),
        ("mlp", {"image_shape": (0,)}, "0 is not a positive"),
        ("mlp", {"image_shape": (2,), "activation": "rleu"}, "'relu'"),
        ("mlp", {"image_shape": (2,), "maxout_pieces": 0}, "maxout_pieces"),
        ("dcgan", {"width": 0}, "width: 0"),
        ("dcgan", {"width": 2.5}, "width: 2.5"),
        ("dcgan", {"latent_dim": -1}, "latent_dim: -1"),
        ("dcgan", {"num_classes": True}, "num_classes: True"),
    ],
)
def test_impossible_arguments_are_refused(name, arguments, message):
    arguments = {"image_shape": (32, 32, 3), **arguments}
    with pytest.raises(ValueError, match=message):
        networks.check("generator", name, **arguments)
    with pytest.raises(ValueError, match=message):
        networks.build("generator", name, **arguments)


def test_builders_check_when_called_directly():
    with pytest.raises(ValueError, match="normalization"):
        networks.dcgan.discriminator((32, 32, 3), normalization="batchnorm")
    with pytest.raises(ValueError, match="width: 0"):
        networks.sngan.generator((32, 32, 3), width=0)
    with pytest.raises(ValueError, match="layers: 0"):
        networks.mlp.generator((2,), layers=0)


def test_missing_image_shape():
    with pytest.raises(ValueError, match="image_shape: missing"):
        networks.build("generator", "dcgan")


def test_checks_need_no_tensorflow():
    code = (
        "import sys; from keras_ganmix import networks\n"
        "networks.check('generator', 'dcgan', image_shape=(32, 32, 3))\n"
        "assert 'keras' not in sys.modules\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
