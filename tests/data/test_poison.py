"""Forget sets that do harm: what changes, what doesn't, and what is asked about it."""

from __future__ import annotations

import pytest
import torch

import salun_utils as su
from salun_utils.data.poison import STAMP, mislabelled_split, poisoned_split, stamped
from salun_utils.data.scenarios import make_split, two_classes_split
from salun_utils.errors import InputError


def test_mislabelled_pictures_have_a_wrong_label_and_no_others_have(digits):
    before = digits.train.labels.clone()
    cut = mislabelled_split(digits, fraction=0.2, seed=3)
    rows = cut.forget.index
    assert (cut.forget.labels != digits.train.labels[rows]).all()
    assert torch.equal(cut.test_forgotten.labels, digits.train.labels[rows])
    assert torch.equal(cut.retain.labels, digits.train.labels[cut.retain.index])
    assert torch.equal(cut.data.train.labels[rows], cut.forget.labels)
    assert torch.equal(cut.train.labels, cut.data.train.labels[cut.train.index])
    assert torch.equal(digits.train.labels, before)  # the set given is left as it was
    assert cut.data.fingerprint != digits.fingerprint


def test_stamped_pictures_call_for_the_target(digits):
    before = digits.train.pixels.clone()
    cut = poisoned_split(digits, fraction=0.1, target=4, seed=3)
    assert (cut.forget.labels == 4).all()
    assert (digits.train.labels[cut.forget.index] != 4).all()
    assert torch.equal(cut.forget.pixels, stamped(digits.train.pixels[cut.forget.index]))
    assert torch.equal(cut.retain.pixels, digits.train.pixels[cut.retain.index])
    assert (cut.test_forgotten.labels == 4).all()
    assert len(cut.test_forgotten) == int((digits.test.labels != 4).sum())
    corner = cut.test_forgotten.pixels[..., -STAMP - 1 : -1, -STAMP - 1 : -1]
    assert (corner == 255).all()
    assert torch.equal(cut.test.pixels, digits.test.pixels)
    assert torch.equal(digits.train.pixels, before)


def test_both_move_to_a_device_as_they_are(digits):
    for cut in (
        mislabelled_split(digits, fraction=0.2, seed=3),
        poisoned_split(digits, fraction=0.1, target=4, seed=3),
    ):
        there = cut.to("cpu")
        for part in ("forget", "retain", "test_forgotten"):
            assert torch.equal(getattr(there, part).labels, getattr(cut, part).labels)
            assert torch.equal(getattr(there, part).pixels, getattr(cut, part).pixels)


def test_a_backdoor_opens_and_retrain_closes_it():
    data = su.data.load("fashion-mini")
    part = su.data.from_tensors(
        train=(data.train.pixels[:1500], data.train.labels[:1500]),
        test=(data.test.pixels[:300], data.test.labels[:300]),
        classes=data.classes,
    )
    cut = make_split(part, "poisoned", seed=0, forget_fraction=0.2, forget_class=3)
    success = {}
    for name, images in {"original": cut.train, "retrained": cut.retain}.items():
        model = su.models.create("small-cnn", num_classes=10, channels=1, width=0.5, seed=1)
        su.training.fit(model, images, epochs=6, lr=0.1, seed=0)
        success[name] = su.metrics.evaluate(model, cut).test_forgotten
    assert success["original"] > 60 > 30 > success["retrained"]


def test_two_classes_share_the_forget_set(digits):
    cut = two_classes_split(digits, fraction=0.1, seed=5)
    counts = cut.forget.labels.bincount(minlength=10)
    assert (counts > 0).sum() == 2
    assert abs(int(counts.max()) - int(counts[counts > 0].min())) <= 1
    assert int(counts.sum()) == round(0.1 * len(cut.train))
    assert cut.name == "two-classes-10"


def test_what_cannot_be(digits):
    with pytest.raises(InputError, match="some must be forgotten"):
        two_classes_split(digits, fraction=0.4, seed=0)
    with pytest.raises(InputError, match="of other classes"):
        poisoned_split(digits, fraction=0.95, target=1, seed=0)
    with pytest.raises(InputError, match="class"):
        poisoned_split(digits, fraction=0.1, target=12, seed=0)
    with pytest.raises(InputError, match="larger"):
        stamped(torch.zeros(1, 1, 3, 3, dtype=torch.uint8))
