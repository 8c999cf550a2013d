"""What several test modules share: small real pictures and a network trained on them at once."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from networks import digit_net

import salun_utils as su

torch.set_num_threads(1)  # the networks are small, and tests run in several processes side by side


@pytest.fixture(scope="session")
def digits():
    """1,797 handwritten digits of 8x8 pixels."""
    return su.data.load("digits")


@pytest.fixture(scope="session")
def digits_split(digits):
    """A random tenth of the digits to forget."""
    return su.data.random_split(digits, fraction=0.1, seed=0)


@pytest.fixture(scope="session")
def fashion():
    """The embedded 10,000 + 2,000 pictures of clothes."""
    return su.data.load("fashion-mini")


@pytest.fixture(scope="session")
def _trained(digits, digits_split):
    model = digit_net(digits)
    su.training.fit(
        model,
        digits_split.train,
        epochs=8,
        lr=0.1,
        schedule="one-cycle",
        batch_size=128,
        precision="float32",
    )
    return model


@pytest.fixture
def tiny_model(_trained):
    """A small-cnn of width 0.25, trained on the digits; each test gets a copy of its own."""
    return copy.deepcopy(_trained)


@pytest.fixture()
def raised(monkeypatch):
    """A function that raises the version of a unit by one, until the test ends."""
    from salun_utils import units

    def higher(name: str) -> int:
        thing, stamp = units._lookup(name), units.stamp_of(name)
        version = stamp.version + 1
        monkeypatch.setattr(thing, "stamp", dataclasses.replace(stamp, version=version))
        monkeypatch.setattr(thing, "numerics", version)
        return version

    return higher
