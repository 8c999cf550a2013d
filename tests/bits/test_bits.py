"""Masks as bits: they are read, fitted onto a model and kept on disk as they are."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from flips import flipped
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from salun_utils.errors import InputError
from salun_utils.saliency import SaliencyMask

shapes = st.lists(
    st.lists(st.integers(0, 5), max_size=3).map(tuple), min_size=1, max_size=5
).filter(lambda s: any(0 not in x for x in s))


def test_per_layer_counts_what_is_kept():
    mask = SaliencyMask.from_bools(
        {"a": torch.tensor([[True, False], [True, True]]), "b": torch.tensor([False])}
    )
    table = mask.per_layer()
    assert table.values.tolist() == [["a", 4, 3, 0.75], ["b", 1, 0, 0.0]]
    assert mask.density == 3 / 5


def test_a_name_the_mask_lacks():
    mask = SaliencyMask.from_bools({"a": torch.tensor([True])})
    assert "a" in mask
    assert "b" not in mask
    with pytest.raises(KeyError, match="no parameter 'b'"):
        mask["b"]


# -- on disk ---------------------------------------------------------------------------


@given(shapes, st.integers(0, 2**20))
@settings(max_examples=30, deadline=None)
def test_a_mask_comes_back_from_disk_as_it_was(shapes, seed):
    import tempfile

    draws = torch.Generator().manual_seed(seed)
    mask = SaliencyMask.from_bools(
        {f"w{i}": torch.rand(s, generator=draws) < 0.5 for i, s in enumerate(shapes)}, "by hand"
    )
    with tempfile.TemporaryDirectory() as folder:
        mask.save(f"{folder}/new/mask.safetensors")
        back = SaliencyMask.load(f"{folder}/new/mask.safetensors")
    assert back == mask
    assert (back.rule, list(back), back.shapes) == ("by hand", list(mask), mask.shapes)


def test_eleven_million_weights_take_one_bit_each_on_disk(tmp_path):
    mask = SaliencyMask.from_bools({"conv.weight": torch.zeros(11_000_000, dtype=torch.bool)})
    mask.save(tmp_path / "mask.safetensors")
    assert 11_000_000 / 8 <= (tmp_path / "mask.safetensors").stat().st_size <= 1_400_000
    assert [p.name for p in tmp_path.iterdir()] == ["mask.safetensors"]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "mask.safetensors"
    SaliencyMask.from_bools(
        {"a": torch.ones(100, 10, dtype=torch.bool), "b": torch.zeros(9, dtype=torch.bool)}
    ).save(path)
    return path


@pytest.mark.parametrize("length", [0, 5, 8, 60, -1])
def test_a_truncated_mask_file_is_refused(saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(InputError, match="no readable mask file"):
        SaliencyMask.load(saved)


def test_a_damaged_header_is_refused(saved):
    raw = bytearray(saved.read_bytes())
    raw[20] ^= 0xFF
    saved.write_bytes(raw)
    with pytest.raises(InputError, match="no readable mask file"):
        SaliencyMask.load(saved)


@pytest.mark.parametrize(
    ("tensors", "facts"),
    [
        ({"a": torch.tensor([0.5, 2.0])}, None),
        ({"a": torch.zeros(3)}, {"shapes": '{"a": [3]}'}),
        ({"a": torch.zeros(3, dtype=torch.uint8)}, {"shapes": '{"a": [3]}'}),
        ({"a": torch.zeros(1, 1, dtype=torch.uint8)}, {"shapes": '{"a": [3]}'}),
        ({"a": torch.zeros((), dtype=torch.uint8)}, {"shapes": '{"a": [3]}'}),
        ({"a": torch.zeros(1, dtype=torch.uint8)}, {"shapes": '{"b": [3]}'}),
        ({"a": torch.zeros(1, dtype=torch.uint8)}, {"shapes": "[3]"}),
        ({"a": torch.zeros(1, dtype=torch.uint8)}, {"shapes": '{"a": "three"}'}),
        ({"a": torch.zeros(1, dtype=torch.uint8)}, {"shapes": '{"a": 3}'}),
        ({"a": torch.zeros(1, dtype=torch.uint8)}, {"shapes": '{"a": [-1, -3]}'}),
        ({"a": torch.zeros(1, dtype=torch.uint8)}, {"shapes": "not json"}),
    ],
)
def test_a_foreign_safetensors_file_is_refused(tmp_path, tensors, facts):
    save_file(tensors, tmp_path / "other.safetensors", facts)
    with pytest.raises(InputError, match="no readable mask file"):
        SaliencyMask.load(tmp_path / "other.safetensors")


def test_no_turned_bit_of_a_mask_is_believed(tmp_path):
    path = tmp_path / "mask.safetensors"
    scores = {"conv.weight": torch.rand(4, 3, 3, 3), "fc.weight": torch.rand(5, 7)}
    mask = SaliencyMask.top(scores, 0.5)
    mask.save(path)
    for _ in flipped(path, 400):
        with pytest.raises(InputError, match="no readable mask file"):
            SaliencyMask.load(path)
    assert SaliencyMask.load(path) == mask and SaliencyMask.load(path).rule == mask.rule


def old_form(mask: SaliencyMask, path, **changes) -> None:
    """Write a mask as it was written before masks had a checksum."""
    about = {"shapes": json.dumps(mask.shapes), "rule": mask.rule, **changes}
    save_file(mask.packed(), path, about)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.123456789, 1 / 3, 0.5, 1.0])
def test_a_mask_from_before_checksums_is_taken_when_it_keeps_the_share_it_names(tmp_path, keep):
    scores, path = {"a": torch.rand(41, 13), "b": torch.rand(3)}, tmp_path / "mask.safetensors"
    masks = [
        SaliencyMask.top(scores, keep),
        SaliencyMask.lowest(scores, keep),
        SaliencyMask.random(scores, keep, 3),
        SaliencyMask.top(scores, keep).inverted(),
    ]
    for mask in masks:
        old_form(mask, path)
        assert SaliencyMask.load(path) == mask
    for _ in flipped(path):
        try:  # a share of six digits may read otherwise in the last, and mean as many weights
            found = SaliencyMask.load(path)
        except InputError:
            continue
        assert found == masks[-1] and found.rule != masks[-1].rule


@pytest.mark.parametrize("rule", ["", "mine", "top half", "top 0.6", "top -0.5", "top 0.5.5"])
def test_a_mask_from_before_checksums_that_nothing_verifies_is_refused(tmp_path, rule):
    mask = SaliencyMask.top({"a": torch.rand(40)}, 0.5)
    old_form(mask, tmp_path / "mask.safetensors", rule=rule)
    with pytest.raises(InputError, match="make it again"):
        SaliencyMask.load(tmp_path / "mask.safetensors")


def test_bits_beyond_the_last_weight_are_not_of_a_mask(tmp_path):
    mask = SaliencyMask.from_packed(
        {"a": torch.tensor([0b11000001], dtype=torch.uint8)}, {"a": (4,)}, "top 0.5"
    )
    old_form(mask, tmp_path / "mask.safetensors")
    with pytest.raises(InputError, match="make it again"):
        SaliencyMask.load(tmp_path / "mask.safetensors")


def test_other_files_are_refused(tmp_path):
    np.save(tmp_path / "mask.npy", np.ones(3))
    with pytest.raises(InputError, match="no readable mask file"):
        SaliencyMask.load(tmp_path / "mask.npy")
    with pytest.raises(InputError, match="no mask file"):
        SaliencyMask.load(tmp_path / "missing.safetensors")
    with pytest.raises(InputError, match="mask file"):
        SaliencyMask.load(tmp_path)


def test_a_mask_that_can_not_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("salun_utils.bits.disk.save_file", full)
    with pytest.raises(OSError, match="No space"):
        SaliencyMask.from_bools({"a": torch.ones(3, dtype=torch.bool)}).save(
            tmp_path / "mask.safetensors"
        )
    assert not list(tmp_path.iterdir())


def test_packed_bits_and_shapes_give_the_mask_back():
    mask = SaliencyMask.random({"a": torch.zeros(3, 5), "b": torch.zeros(())}, 0.5, 0)
    assert SaliencyMask.from_packed(mask.packed(), mask.shapes, mask.rule) == mask


# -- masks from elsewhere


BITS = {"a.weight": torch.tensor([[True, False], [False, True]]), "b": torch.tensor([True])}


@pytest.mark.parametrize(
    "cast",
    [
        lambda b: b.float(),
        lambda b: b.to(torch.int64),
        lambda b: b.bfloat16(),
        lambda b: b.to(torch.uint8),
        lambda b: b.numpy(),
        lambda b: b.float().requires_grad_(),
    ],
)
def test_zeros_and_ones_of_any_type_are_a_mask(cast, tmp_path):
    given = {n: cast(b) for n, b in BITS.items()}
    assert SaliencyMask.from_bools(given) == SaliencyMask.from_bools(BITS) == SaliencyMask.of(given)
    if isinstance(given["b"], torch.Tensor):
        torch.save(given, tmp_path / "mask.pt")
        save_file({n: b.detach() for n, b in given.items()}, tmp_path / "mask.safetensors")
        for name in ("mask.pt", "mask.safetensors"):
            assert SaliencyMask.load(tmp_path / name) == SaliencyMask.from_bools(BITS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": torch.tensor([0.3, 0.9])}, "make one of scores by SaliencyMask.top"),
        ({"a": torch.tensor([1.0, math.nan])}, "other values"),
        ({"a": torch.tensor([1, -1])}, "other values"),
        ({"a": torch.tensor([0, 2])}, "other values"),
        ({"a": [True, False]}, "not list at 'a'"),
        ({"a": None}, "not NoneType"),
        ({"a": torch.ones(2, device="meta")}, "dense tensor"),
        ({"a": torch.eye(2).to_sparse()}, "dense tensor"),
        ({}, "not of an empty one"),
        ([torch.ones(2)], "not of list"),
        ("mask.pt", "not of str"),
    ],
)
def test_scores_and_other_things_are_no_mask(given, said):
    with pytest.raises(InputError, match=said) as caught:
        SaliencyMask.from_bools(given)
    assert "\n" not in str(caught.value)


def test_a_damaged_or_foreign_dictionary_is_refused(tmp_path):
    for name, what in (
        ("scores", {"a": torch.rand(3)}),
        ("model", torch.nn.Linear(2, 2)),
        ("one", 1),
    ):
        torch.save(what, tmp_path / f"{name}.pt")
        with pytest.raises(InputError, match="no readable mask file"):
            SaliencyMask.load(tmp_path / f"{name}.pt")
    (tmp_path / "torn.pt").write_bytes(b"PK")
    with pytest.raises(InputError, match="no readable mask file"):
        SaliencyMask.load(tmp_path / "torn.pt")
    with pytest.raises(InputError, match="there is no mask file"):
        SaliencyMask.load(tmp_path / "missing.pt")


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("module.{}", "{}"),
        ("_orig_mod.{}", "{}"),
        ("module._orig_mod.{}", "{}"),
        ("{}", "module.{}"),
        ("{}", "_orig_mod.module.{}"),
        ("_orig_mod.{}", "module.{}"),
        ("net._orig_mod.{}", "net.{}"),
    ],
)
def test_the_words_of_wrappers_in_names_do_not_count(mine, theirs):
    mask = SaliencyMask.from_bools({mine.format(n): b for n, b in BITS.items()}, "top 0.5")
    model = {theirs.format(n): torch.zeros(b.shape) for n, b in BITS.items()}
    fit = mask.fitted(model)
    assert fit.rule == mask.rule and list(fit) == list(model)
    assert all(torch.equal(fit[theirs.format(n)], b) for n, b in BITS.items())
    fit.check(model)


def test_other_prefixes_are_named_with_the_way_out():
    mask = SaliencyMask.from_bools({f"net.{n}": b for n, b in BITS.items()})
    model = {n: torch.zeros(b.shape) for n, b in BITS.items()}
    with pytest.raises(InputError, match=r"names of the mask begin with 'net\.': take it off"):
        mask.fitted(model)
    with pytest.raises(InputError, match=r"names of the model begin with 'net\.': put it before"):
        SaliencyMask.from_bools(BITS).fitted({f"net.{n}": p for n, p in model.items()})


def test_a_part_of_ones_own_called_module_is_no_wrapper():
    """Where a word of `WRAPPERS` tells two parameters apart, names must be equal."""
    both = {"module.w": torch.tensor([True]), "w": torch.tensor([False])}
    mask = SaliencyMask.from_bools(both)
    assert mask.fitted(both) == mask
    with pytest.raises(InputError, match="doesn't fit"):
        mask.fitted({"w": torch.zeros(1)})


def test_scores_in_a_plain_file_are_named_and_half_of_our_own_header_is_not_enough(tmp_path):
    save_file({"a": torch.tensor([0.3, 0.9])}, tmp_path / "scores.safetensors")
    with pytest.raises(InputError, match=r"make one of scores by SaliencyMask.top"):
        SaliencyMask.load(tmp_path / "scores.safetensors")
    bits = {"a": torch.tensor([1, 0], dtype=torch.uint8)}
    save_file(bits, tmp_path / "ours.safetensors", {"rule": "top 0.5"})
    with pytest.raises(InputError, match="no readable mask file"):
        SaliencyMask.load(tmp_path / "ours.safetensors")


@pytest.mark.parametrize("score", [[0.1, 0.2], None, 3, torch.tensor([1j])])
def test_scores_are_tensors_of_real_numbers(score):
    with pytest.raises(InputError, match=r"tensors of real numbers, not .* at 'a'"):
        SaliencyMask.top({"a": score}, 0.5)
