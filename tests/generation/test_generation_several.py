"""Several concepts: erased one after another, none of them kept or steered to by another."""

from __future__ import annotations

import pytest
import torch
from tiny_pipelines import CLASSES, shapes_of

pytest.importorskip("diffusers")

import salun_utils.generation as generation
from salun_utils.errors import InputError
from salun_utils.generation import own
from salun_utils.generation.canaries import toys
from salun_utils.generation.erasers import several
from salun_utils.runs.canaries import toy

FEW = {"steps": 2, "lr": 1e-3}


@pytest.fixture(scope="module")
def shapes():
    return shapes_of(30)


def same(a, b) -> bool:
    one, two = dict(a.named_parameters()), dict(b.named_parameters())
    return all(torch.equal(one[n], two[n]) for n in one)


def test_a_list_of_one_is_the_concept_itself():
    model = toys.vae()
    alone = generation.erase("ga", model, concept=1, seed=2, data=toy.dataset(), **FEW)
    listed = generation.erase("ga", model, concept=[1], seed=2, data=toy.dataset(), **FEW)
    assert same(alone.model, listed.model)
    assert listed.params["concept"] == [alone.params["concept"]]


def test_two_concepts_are_two_calls_each_without_the_pictures_of_the_other():
    model, data = toys.vae(), toy.dataset()
    classes = model.classes
    together = generation.erase("ga", model, concept=[1, classes[2]], seed=2, data=data, **FEW)
    by_hand = model
    for label, other in ((1, 2), (2, 1)):
        rest = data.train.subset((data.train.labels != other).nonzero().flatten())
        by_hand = generation.erase("ga", by_hand, concept=label, seed=2, data=rest, **FEW).model
    assert same(together.model, by_hand)
    assert together.params["concept"] == [classes[1], classes[2]]
    assert {len(part) for part in together.losses.values()} == {2 * FEW["steps"]}


def test_no_concept_is_steered_to_another_and_the_mask_is_all_that_may_move():
    model = toys.ddpm()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    settings = {"seed": 2, "data": toy.dataset(), "steps": 1, "lr": 1e-3, "keep": 0.2}
    found = generation.erase("salun", model, concept=[1, 2], **settings)
    assert found.params["substitute"] not in ("Bar 1", "Bar 2")
    assert found.mask.density > 0.2
    moved = dict(found.model.named_parameters())
    held = [n for n in found.mask if not (moved[n] == before[n])[~found.mask[n]].all()]
    assert not held and not same(model, found.model)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_training_anew_leaves_all_of_them_out_at_once():
    model, data = toys.vae(), toy.dataset()
    found = generation.erase("retrain", model, concept=[1, 2], seed=2, data=data, steps=2)
    rest = data.train.subset((data.train.labels != 1).nonzero().flatten())
    once = generation.erase("retrain", model, concept=2, seed=2, data=rest, steps=2)
    assert same(found.model, once.model)


def test_a_pipeline_forgets_two_words_one_after_the_other(pipe, shapes):
    first, second = CLASSES[:2]
    found = generation.erase("uce", pipe, concept=[first, second], data=shapes)
    half = generation.erase("uce", pipe, concept=first, data=several.without(shapes, [second]))
    rest = several.without(shapes, [first])
    by_hand = generation.erase("uce", half.model, concept=second, data=rest)
    assert same(found.model.unet, by_hand.model.unet) and found.mask is None
    assert found.params["concept"] == [first, second]


def test_a_small_pipelines_classes_are_named_by_number_in_a_list_too(pipe):
    names = several._names(["sneaker", 3], pipe, "pipeline", None)
    assert names == ["sneaker", "Dress"]
    with pytest.raises(InputError, match="10"):
        several._names([10], pipe, "pipeline", None)


def test_classes_left_out_are_numbered_anew_and_keep_their_pictures(shapes):
    rest = several.without(shapes, [CLASSES[0].upper()])
    assert rest.classes == list(CLASSES[1:])
    for label, name in enumerate(rest.classes):
        there = shapes.train.labels == list(shapes.classes).index(name)
        assert torch.equal(
            rest.train.pixels[rest.train.labels == label], shapes.train.pixels[there]
        )


@pytest.mark.parametrize(
    "concepts, more, message",
    [
        ([], {}, "at least one name"),
        ([1, 1], {}, "named twice"),
        ([1, "nothing"], {}, "unknown class 'nothing'"),
        ([1, 2], {"substitute": "Bar 2"}, "one of the concepts"),
        ([1, 2], {"substitute": 2}, "one of the concepts"),
        ([0, 1, 2, 3, 4, 5], {}, "class"),
    ],
)
def test_what_can_not_be_erased_together_is_refused(concepts, more, message):
    model = toys.ddpm()
    with pytest.raises(InputError, match=message):
        generation.erase("salun", model, concept=concepts, data=toy.dataset(), **FEW, **more)


@pytest.mark.parametrize("concept", [1, [1, 2]])
def test_data_by_name_are_no_pictures(concept):
    with pytest.raises(InputError, match=r"not a str: su\.data\.load gives one"):
        generation.erase("rl", toys.ddpm(), concept=concept, data="fashion-mini", **FEW)


@pytest.mark.parametrize("concept", ["circle", ["circle", "square"]])
def test_data_by_name_are_no_pictures_for_a_pipeline_either(pipe, concept):
    with pytest.raises(InputError, match=r"not a str: su\.data\.load gives one"):
        generation.erase("uce", pipe, concept=concept, data="fashion-mini")


def test_the_command_takes_a_concept_more_than_once(tmp_path):
    request = own.Request("mini-sd", ("sneaker", "coat"), tmp_path / "out", method="uce")
    assert request.concepts == ("sneaker", "coat")
    bare = own.Request("mini-sd", " sneaker ", tmp_path / "out", substitute="bag ", keep=("bag",))
    assert bare.concepts == ("sneaker",) and bare.kept == ("bag",)
    with pytest.raises(InputError, match="named twice"):
        own.Request("mini-sd", ("sneaker", "Sneaker"), tmp_path / "out", method="uce")
    with pytest.raises(InputError, match="must be words"):
        own.Request("mini-sd", (), tmp_path / "out", method="uce")
