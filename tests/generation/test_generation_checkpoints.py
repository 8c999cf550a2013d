"""A resumed training of a generator goes on only from a whole checkpoint of the same seed, settings
and pictures.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from flips import flipped
from tiny_pipelines import TINY

from salun_utils.data.images import Dataset, Images
from salun_utils.errors import InputError
from salun_utils.files import load_checked
from salun_utils.generation import checkpoints
from salun_utils.generation.models.diffusion import training as diffusion_training
from salun_utils.generation.models.diffusion.ddpm import DDPM, DDPMConfig
from salun_utils.generation.models.gan import GAN, GANConfig, GANTraining, train_gan
from salun_utils.generation.models.vae import VAE, VAEConfig, VAETraining, train_vae

CLASSES, SHAPE = ("a", "b", "c"), (1, 8, 8)
SMALL = DDPMConfig(
    name="tiny",
    classes=CLASSES,
    image=SHAPE,
    size=8,
    unshuffle=2,
    widths=(8, 16),
    groups=4,
    head=8,
)


def ddpm(images, path, *, seed=5, wider=False, **settings):
    config = replace(diffusion_training.TrainConfig(steps=4, batch=5, warmup=2), **settings)
    model = DDPM(replace(SMALL, dropout=0.1) if wider else SMALL)
    return diffusion_training.train(
        model, images, config, seed=seed, checkpoint=path, every=2, stop=2
    )


def gan(images, path, *, seed=5, wider=False, **settings):
    model = GAN(GANConfig("tiny", CLASSES, SHAPE, widths=(16, 8), latent=5 if wider else 4))
    config = replace(GANTraining(steps=4, batch=5), **settings)
    return train_gan(model, images, config, seed=seed, checkpoint=path, every=2, stop=2)


def vae(images, path, *, seed=5, wider=False, **settings):
    model = VAE(VAEConfig("tiny", CLASSES, SHAPE, hidden=(32,), latent=4 if wider else 3))
    config = replace(VAETraining(steps=4, batch=5), **settings)
    return train_vae(model, images, config, seed=seed, checkpoint=path, every=2, stop=2)


TRAININGS = {"ddpm": ddpm, "gan": gan, "vae": vae}


@pytest.fixture(scope="module")
def images() -> Images:
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (30, *SHAPE), dtype=torch.uint8, generator=draws)
    return Images(pixels, torch.arange(30) % 3)


def brighter(images: Images) -> Images:
    pixels = images.pixels.clone()
    pixels[3, 0, 0, 0] ^= 1
    return Images(pixels, images.labels)


def relabelled(images: Images) -> Images:
    return Images(images.pixels, images.labels.roll(1))


@pytest.mark.parametrize("kind", TRAININGS)
def test_a_checkpoint_of_another_training_is_refused_and_said_to_be(images, tmp_path, kind):
    train, path = TRAININGS[kind], tmp_path / "checkpoint.pt"
    train(images, path)
    before = path.read_bytes()
    for said, call in {
        "its seed is 5, not 6": lambda: train(images, path, seed=6),
        "its steps is 4, not 8": lambda: train(images, path, steps=8),
        "its batch is 5, not 6": lambda: train(images, path, batch=6),
        r"its network \(": lambda: train(images, path, wider=True),
        "its pictures is 30, not 29": lambda: train(images.subset(range(29)), path),
        "other pixels": lambda: train(brighter(images), path),
        "began with other pixels": lambda: train(relabelled(images), path),
    }.items():
        with pytest.raises(InputError, match=f"another run: .*{said}"):
            call()
    assert path.read_bytes() == before
    train(images, path)  # and the same one goes on


@pytest.mark.parametrize("kind", TRAININGS)
def test_no_turned_bit_of_a_checkpoint_is_believed(images, tmp_path, kind):
    path = tmp_path / "checkpoint.pt"
    TRAININGS[kind](images, path)
    identity = load_checked(path)["identity"]
    for _ in flipped(path):
        with pytest.raises(InputError, match="delete it to start afresh"):
            checkpoints.resume(path, {}, identity, "cpu")


def test_a_checkpoint_without_a_part_is_of_another_run(images, tmp_path):
    path = tmp_path / "checkpoint.pt"
    ddpm(images, path)
    identity = load_checked(path)["identity"]
    with pytest.raises(InputError, match="other networks"):
        checkpoints.resume(path, {"critic": torch.nn.Linear(1, 1)}, identity, "cpu")


def test_the_digest_of_tensors_knows_names_shapes_and_bytes():
    one = {"a": torch.zeros(2, 3)}
    others = [{"b": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2)}, {"a": torch.zeros(2, 3).double()}]
    others.append({"a": torch.zeros(2, 3).index_fill(0, torch.tensor(0), 1e-45)})
    found = {checkpoints.digest(t) for t in (one, *others)}
    assert len(found) == 5 and checkpoints.digest({"a": torch.zeros(2, 3)}) in found


# -- mini-sd ---------------------------------------------------------------------------


OPTIONS = {
    "vae_steps": 2,
    "unet_steps": 2,
    "batch_size": 6,
    "pictures": 20,
    "precision": "float32",
    **TINY,
}


@pytest.fixture(scope="module")
def mini_sd():
    pytest.importorskip("diffusers")
    from salun_utils.generation.models import mini_sd_training

    return mini_sd_training


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (30, 1, 28, 28), dtype=torch.uint8, generator=draws)
    images = Images(pixels, torch.arange(30) % 3)
    return Dataset("shapes", images, images, ["Circle", "Square", "Boot"], (0.5,), (0.5,))


@pytest.fixture(scope="module")
def work(mini_sd, shapes, tmp_path_factory):
    """The checkpoints of a finished training."""
    where = tmp_path_factory.mktemp("mini-sd")
    mini_sd.train(shapes, where / "model", work=where / "work", **OPTIONS)
    return where / "work"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "its seed is 0, not 1"),
        ({"batch_size": 8}, "its batch_size is 6, not 8"),
        ({"vae_steps": 4}, "its steps is 2, not 4"),
        ({"unet_steps": 4}, "its steps is 2, not 4"),
        ({"pictures": 25}, "its pictures is 20, not 25"),
        ({"text_width": 16}, "its text_width is 32, not 16"),
        ({"precision": "bf16"}, "its bf16 is False, not True"),
    ],
)
def test_mini_sd_goes_on_from_its_own_checkpoints_alone(
    mini_sd, shapes, work, tmp_path, change, said
):
    with pytest.raises(InputError, match=f"another run: .*{said}"):
        mini_sd.train(shapes, tmp_path, work=work, **(OPTIONS | change))


def test_mini_sd_knows_the_pixels_it_began_with(mini_sd, shapes, work, tmp_path):
    other = brighter(shapes.train)
    data = Dataset("shapes", other, other, shapes.classes, (0.5,), (0.5,))
    with pytest.raises(InputError, match="began with other pixels"):
        mini_sd.train(data, tmp_path, work=work, **OPTIONS)


@pytest.mark.parametrize("file", ["vae.pt", "latents.pt", "unet.pt"])
def test_no_turned_bit_of_a_checkpoint_of_mini_sd_is_believed(work, mini_sd, file):
    identity = load_checked(work / file)["identity"]
    for _ in flipped(work / file, 200 if file == "latents.pt" else 30):
        with pytest.raises(InputError, match="delete it to start afresh"):
            checkpoints.read(work / file, identity, "cpu")


def test_latents_of_another_autoencoder_are_refused(mini_sd, shapes, work, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "latents.pt").write_bytes((work / "latents.pt").read_bytes())
    with pytest.raises(InputError, match=r"latents\.pt is of another run: .*seed"):
        mini_sd.train(shapes, tmp_path / "m", work=tmp_path / "work", **OPTIONS, seed=3)
