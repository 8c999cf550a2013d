"""Masks of several classes beside each other, and a class that is forgotten by name alone."""

from __future__ import annotations

import pytest
import torch

from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.generation.models.diffusion.ddpm import DDPM, DDPMConfig
from salun_utils.generation.models.diffusion.dit import DiT, DiTConfig
from salun_utils.saliency import SaliencyMask
from salun_utils.studies.erasing import transformer
from salun_utils.studies.erasing.transformer import ByClass

SHAPE = {"classes": ("a", "b", "c"), "image": (1, 8, 8), "size": 8}
TINY = DiTConfig("tiny", **SHAPE, width=16, heads=2, layers=2)
UNET = DDPMConfig("tiny", **SHAPE, widths=(8, 16), groups=4, head=8)


@pytest.fixture(scope="module")
def images() -> Images:
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (30, 1, 8, 8), generator=draws, dtype=torch.uint8)
    return Images(pixels, torch.arange(30) % 3)


@pytest.fixture(scope="module")
def dit() -> DiT:
    model, draws = DiT(TINY, seed=1).eval(), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draws))
    return model


def scores(*values: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor(values)}


def test_overlap_is_the_share_of_one_mask_in_another():
    found = ByClass({"a": scores(4, 3, 2, 1), "b": scores(4, 1, 3, 2), "c": scores(1, 2, 3, 4)})
    shares = found.overlap(0.5)
    assert shares.loc["a", "a"] == 100 and shares.loc["a", "b"] == 50 == shares.loc["b", "a"]
    assert shares.loc["a", "c"] == 0 and shares.loc["c", "b"] == 50
    mean, least, most = transformer.between_classes(shares)
    assert (least, most) == (0, 50) and mean == pytest.approx(100 / 3)


def test_a_mask_is_ranked_once_for_each_share():
    found = ByClass({"a": scores(4, 3, 2, 1)})
    assert found.mask("a", 0.5) is found.mask("a", 0.5)
    assert found.mask("a", 0.25).kept == 1 and found.mask("a", 0.5).kept == 2


def test_by_layers_counts_how_much_of_each_parameter_is_kept_and_no_more():
    half = {"v": torch.tensor([1.0, 2.0]), "w": torch.tensor([4.0, 3.0])}
    swapped = {"v": torch.tensor([2.0, 1.0]), "w": torch.tensor([3.0, 4.0])}
    found = ByClass({"a": half, "b": swapped})
    assert found.overlap(0.5).loc["a", "b"] == 100  # all of w
    assert found.overlap_by_layers(0.5).loc["a", "b"] == 100
    assert (
        found.overlap(0.25).loc["a", "b"] == 0 and found.overlap_by_layers(0.25).loc["a", "b"] == 50
    )


def test_every_class_has_its_saliency_and_a_figure_says_what_it_shows(dit, images):
    found = ByClass.of(dit, images, per_class=4)
    assert list(found.scores) == ["a", "b", "c"]
    assert found.mask("b", 0.2).density == pytest.approx(0.2, abs=1e-3)
    _, alt = transformer.overlap_maps({"one": found, "two": found}, 0.2)
    mean, least, most = transformer.between_classes(found.overlap(0.2))
    assert f"one: {mean:.0f} on average, from {least:.0f} to {most:.0f}" in alt
    shown = transformer.overlap_table({"one": found}, (0.5, 0.2))
    assert "50 %" in str(shown) and "20 %" in str(shown)


@pytest.mark.parametrize(
    "labels, per_class, said",
    [([0, 1, 2], 0, "per_class must be at least 1"), ([0, 1, 1], 4, "there is no picture of c")],
)
def test_a_class_without_pictures_is_named(dit, labels, per_class, said):
    pictures = Images(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor(labels))
    with pytest.raises(InputError, match=said):
        ByClass.of(dit, pictures, per_class=per_class)


def test_other_classes_rows_are_outside_the_mask(dit, images):
    mask = ByClass.of(dit, images, per_class=10).mask("b", 0.5)
    own, others = transformer.own_rows(mask, 1)
    assert own > 0 and others == 0


@pytest.mark.parametrize("model", ["dit", "ddpm"])
def test_a_copied_row_answers_to_one_class_as_to_the_other(model, dit):
    network = dit if model == "dit" else DDPM(UNET, seed=1).eval()
    renamed = transformer.renamed(network, 1, 2)
    assert len(transformer.lookups(network)) == (2 if model == "dit" else 1)
    z, t = torch.randn(3, *network.latent_shape), torch.tensor([5, 500, 990])
    with torch.no_grad():
        for label, alike in ((0, 0), (1, 2), (2, 2), (3, 3)):
            asked, was = torch.full((3,), label), torch.full((3,), alike)
            assert torch.equal(renamed(z, t, asked), network(z, t, was))
        ones = torch.ones(3, dtype=torch.long)
        assert not torch.equal(network(z, t, ones), renamed(z, t, ones))


@pytest.mark.parametrize("second, right", [((1, 2, 3, 4), False), ((4, 3, 1, 2), True)])
def test_claims_say_one_seed_and_fail_where_a_mask_is_about_its_class(second, right):
    alike = ByClass({"a": scores(4, 3, 2, 1), "b": scores(4, 3, 1, 2)})
    other = ByClass({"a": scores(4, 3, 2, 1), "b": scores(*second)})
    (said,) = transformer.claims({"one": other, "two": alike}, {}, keep=0.5)
    assert said.verdict is right and "one seed" in said.text and "two 100 %" in said.figure


def test_kinds_of_layers_are_told_apart(dit):
    every = {n: torch.ones(p.shape, dtype=torch.bool) for n, p in dit.named_parameters()}
    shown = str(transformer.kinds_table(SaliencyMask.from_bools(every)))
    for kind in transformer.KINDS.values():
        assert kind in shown
    assert "other" not in shown
