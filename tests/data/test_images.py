"""Pictures and their views: what a batch holds, in which order, and that a view is the pictures it
stands for.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from salun_utils.data import Dataset, Images, class_split, from_tensors, random_split, subset_split
from salun_utils.data.augment import crop_and_flip
from salun_utils.data.images import is_memory_mapped
from salun_utils.errors import InputError

FEW = settings(max_examples=40, deadline=None)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(n, shape=(1, 4, 4)):
    """n pictures whose every pixel is their number (below 256), labelled by it."""
    pixels = torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, *shape).contiguous()
    return Images(pixels, torch.arange(n))


def seen(batches):
    return [round(v * 255) for x, *_ in batches for v in x[:, 0, 0, 0].tolist()]


def on_disk(images, path):
    """The same pictures, memory-mapped."""
    np.save(path, images.pixels.numpy())
    pixels = torch.from_numpy(np.load(path, mmap_mode="c"))
    pixels.on_disk = True
    return Images(pixels, images.labels, weights=images.weights)


# --- batches


@FEW
@given(n=st.integers(0, 60), size=st.integers(1, 70), seed=st.none() | st.integers(0, 99))
def test_batches_partition_the_set(n, size, seed):
    images = numbered(n)
    batches = list(images.batches(size, generator=None if seed is None else draws(seed)))
    assert [len(y) for _, y in batches] == [size] * (n // size) + ([n % size] if n % size else [])
    values = seen(batches)
    assert sorted(values) == list(range(n)) and (seed is not None or values == list(range(n)))
    assert all(
        round(v * 255) == label
        for x, y in batches
        for v, label in zip(x[:, 0, 3, 3].tolist(), y.tolist())
    )


@FEW
@given(
    seed=st.integers(0, 999),
    size=st.integers(1, 40),
    augment=st.sampled_from([None, "crop", "crop-flip", True]),
)
def test_the_same_generator_gives_the_same_batches(seed, size, augment):
    images = Images(
        torch.randint(0, 256, (33, 3, 8, 8), dtype=torch.uint8, generator=draws(1)),
        torch.arange(33),
    )
    one, other = (
        list(images.batches(size, generator=draws(seed), augment=augment)) for _ in range(2)
    )
    assert all(
        torch.equal(a, b)
        for first, second in zip(one, other, strict=True)
        for a, b in zip(first, second)
    )


def test_order_is_independent_of_the_size_of_a_batch_and_differs_by_seed():
    images = numbered(50)
    orders = {size: seen(images.batches(size, generator=draws(4))) for size in (1, 7, 50)}
    assert orders[1] == orders[7] == orders[50] != list(range(50))
    assert orders[1] != seen(images.batches(50, generator=draws(5)))


def test_batches_are_floats_in_the_unit_interval_channels_last():
    images = Images(
        torch.tensor([0, 51, 255], dtype=torch.uint8)
        .view(1, 3, 1, 1)
        .expand(2, 3, 4, 4)
        .contiguous(),
        torch.tensor([0, 1]),
    )
    x, y = next(images.batches(2))
    assert (
        x.dtype == torch.float32
        and y.dtype == torch.int64
        and x.is_contiguous(memory_format=torch.channels_last)
    )
    assert x[0, :, 0, 0].tolist() == pytest.approx([0, 0.2, 1], abs=1e-7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "at least 1"),
        ({"size": 4, "augment": "flop"}, "crop-flip"),
        ({"size": 4, "augment": "crop"}, "pass a generator"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(InputError, match=said):
        next(numbered(5).batches(**options))


# --- weights


def test_weights_travel_with_their_pictures():
    images = numbered(20).with_weights(torch.arange(20.0))
    for view in (
        images,
        images.subset([19, 3, 3, 7]),
        images.with_labels(torch.zeros(20, dtype=torch.int64)),
    ):
        for x, _, w in view.batches(6, generator=draws(), augment=None):
            assert [round(v * 255) for v in x[:, 0, 0, 0].tolist()] == w.tolist()


def test_joining_weighted_and_plain_pictures_gives_the_plain_ones_weight_one():
    images = numbered(6)
    joined = Images.concat([images.subset([0, 1]).with_weights(-1.0), images.subset([4])])
    assert (
        joined.weights.tolist() == [-1, -1, 1]
        and joined.pixels.data_ptr() != images.pixels.data_ptr()
    )
    assert len(next(joined.batches(3))) == 3 and len(next(images.batches(3))) == 2


# --- views


@FEW
@given(data=st.data(), n=st.integers(1, 40))
def test_a_view_of_a_view_is_indexing_twice(data, n):
    images = numbered(n)
    first = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=30))
    second = data.draw(st.lists(st.integers(0, len(first) - 1), max_size=30))
    view = images.subset(first).subset(second)
    expected = [first[i] for i in second]
    assert (
        view.labels.tolist() == view.index.tolist() == view.pixels[:, 0, 0, 0].tolist() == expected
    )
    assert seen(view.batches(7)) == expected
    assert view._base is images._base


def test_a_mask_chooses_as_its_positions_do():
    images = numbered(10).subset(torch.arange(9, -1, -1))
    mask = images.labels % 3 == 0
    assert images.subset(mask).labels.tolist() == [9, 6, 3, 0]
    with pytest.raises(InputError, match="10 pictures"):
        images.subset(mask[:-1])


def test_joining_views_of_one_set_copies_nothing_and_of_two_copies():
    images = numbered(10)
    joined = Images.concat([images.subset([3, 1]), images.subset([]), images.subset([9])])
    assert joined._base is images._base and joined.labels.tolist() == [3, 1, 9]
    mixed = Images.concat([images.subset([3]), numbered(4)])
    assert mixed.pixels[:, 0, 0, 0].tolist() == mixed.labels.tolist() == [3, 0, 1, 2, 3]
    with pytest.raises(InputError, match="every part is empty"):
        Images.concat([images.subset([])])


def test_relabelled_pictures_leave_the_original_alone():
    images = numbered(5)
    other = images.with_labels(torch.full((5,), 2))
    assert (
        images.labels.tolist() == [0, 1, 2, 3, 4]
        and other.labels.tolist() == [2] * 5
        and other._base is images._base
    )


# --- memory-mapped


@pytest.mark.parametrize("augment", [None, "crop-flip"])
def test_memory_mapped_pictures_give_the_same_batches(tmp_path, augment):
    plain = Images(
        torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=draws()),
        torch.arange(40) % 4,
    ).with_weights(0.5)
    mapped = on_disk(plain, tmp_path / "x.npy")
    assert is_memory_mapped(mapped._base) and not is_memory_mapped(plain._base)
    rows = torch.randperm(40, generator=draws(1))[:25]
    one, other = (
        list(images.subset(rows).batches(8, generator=draws(2), augment=augment))
        for images in (plain, mapped)
    )
    assert all(
        torch.equal(a, b)
        for first, second in zip(one, other, strict=True)
        for a, b in zip(first, second)
    )
    assert mapped.to("meta") is mapped and mapped.subset(rows).to("meta")._base is mapped._base


def test_pictures_already_on_a_device_are_not_copied():
    images = numbered(5)
    view = images.subset([1, 2])
    assert images.to("cpu") is images and view.to(torch.device("cpu")) is view


# --- augmentation


def test_crops_are_windows_of_the_padded_picture_and_all_of_them_occur():
    pixels = torch.arange(1, 65, dtype=torch.uint8).view(1, 1, 8, 8)
    padded = torch.nn.functional.pad(pixels, (1, 1, 1, 1))[0, 0]
    windows = {
        tuple(padded[i : i + 8, j : j + 8].flatten().tolist()): (i, j)
        for i in range(3)
        for j in range(3)
    }
    out = crop_and_flip(pixels.expand(900, -1, -1, -1), draws(), flip=False)
    assert out.shape == (900, 1, 8, 8) and out.dtype == torch.uint8
    found = [windows[tuple(picture.flatten().tolist())] for picture in out]
    counts = torch.tensor([found.count(place) for place in windows.values()])
    assert ((counts - 100).abs() < 50).all()  # five standard deviations of a binomial(900, 1/9)


def test_half_of_the_pictures_are_mirrored_independently_of_the_crop():
    pixels = torch.arange(1, 65, dtype=torch.uint8).view(1, 1, 8, 8).expand(2000, -1, -1, -1)
    plain, mixed = (
        crop_and_flip(pixels, draws(3), flip=False),
        crop_and_flip(pixels, draws(3), flip=True),
    )
    same = (plain == mixed).flatten(1).all(1)
    mirrored = (plain.flip(3) == mixed).flatten(1).all(1)
    # five standard deviations
    assert (same ^ mirrored).all() and abs(int(mirrored.sum()) - 1000) < 112


@pytest.mark.parametrize(
    ("shape", "pad"), [((3, 32, 32), 4), ((1, 28, 28), 3), ((3, 64, 48), 4), ((1, 4, 4), 0)]
)
def test_padding_by_size(shape, pad):
    white = torch.full((300, *shape), 255, dtype=torch.uint8)
    out = crop_and_flip(white, draws(), flip=True)
    assert out.shape == white.shape
    blank_rows = (out == 0).all(dim=3).all(dim=1).sum(1)
    assert int(blank_rows.max()) == pad


def test_channels_are_cropped_alike():
    grey = torch.randint(1, 256, (50, 1, 8, 8), dtype=torch.uint8, generator=draws())
    out = crop_and_flip(grey.expand(-1, 3, -1, -1), draws(1), flip=True)
    assert torch.equal(out[:, 0], out[:, 1]) and torch.equal(out[:, 1], out[:, 2])


# --- data sets and splits over views


@pytest.fixture
def data():
    x = torch.randint(0, 256, (120, 1, 8, 8), dtype=torch.uint8, generator=draws())
    x[:, 0, 0, 0] = torch.arange(120)
    y = torch.arange(120) % 4
    return from_tensors((x, y), (x[:40], y[:40]))


def test_the_fingerprint_follows_pixels_labels_and_parts(data, tmp_path):
    assert data.fingerprint == dataclasses.replace(data, name="other").fingerprint
    assert (
        data.fingerprint
        == dataclasses.replace(data, train=on_disk(data.train, tmp_path / "x.npy")).fingerprint
    )
    pixels = data.train.pixels.clone()
    pixels[7, 0, 3, 3] ^= 1
    labels = data.train.labels.clone()
    labels[5] = (labels[5] + 1) % 4
    changed = [
        Images(pixels, data.train.labels),
        Images(data.train.pixels, labels),
        data.train.subset(range(119)),
    ]
    prints = {dataclasses.replace(data, train=train).fingerprint for train in changed}
    assert len(prints | {data.fingerprint}) == 4


@FEW
@given(fraction=st.floats(0.02, 0.9), seed=st.integers(0, 50))
def test_parts_of_a_split_over_a_view_partition_that_view(fraction, seed):
    whole = numbered(160)
    # as a smaller pilot set would be
    train = whole.subset(torch.arange(100, 160)).with_labels(torch.arange(60) % 4)
    view = Dataset("view", train, train, list("abcd"), (0.0,), (1.0,))
    split = random_split(view, fraction=fraction, seed=seed)
    values = [
        part.pixels[:, 0, 0, 0].tolist() for part in (split.forget, split.retain, split.validation)
    ]
    assert sorted(values[0] + values[1] + values[2]) == list(range(100, 160))
    assert split.train.pixels[:, 0, 0, 0].tolist() == sorted(values[0] + values[1])
    assert torch.equal(split.train.labels, split.train.pixels[:, 0, 0, 0].long() % 4)


def test_a_split_moves_as_one(data):
    rows = torch.arange(20, 120)
    view = dataclasses.replace(data, train=data.train.subset(rows))
    for source in (data, view):
        split = class_split(source, label=2, seed=0)
        moved = split.to("meta")
        assert (
            moved.forget._base
            is moved.retain._base
            is moved.validation._base
            is moved.data.train._base
        )
        assert moved.test._base is moved.test_forgotten._base is moved.data.test._base
        assert moved.forget.device.type == "meta" and len(moved.train.labels) == len(split.train)
        assert split.to("cpu") is split


def test_indices_that_are_none(data):
    for wrong in (["a"], [[1], [2, 3]], [1.5], [True], [], None, [120], [-1], [3, 3]):
        with pytest.raises(InputError, match="indices"):
            subset_split(data, wrong, seed=0)


def test_positions_and_labels_are_whole_numbers():
    images = numbered(5)
    with pytest.raises(InputError, match="positions must be whole numbers"):
        images.subset([0.5, 1.7])
    with pytest.raises(InputError, match="labels must be whole numbers"):
        images.with_labels(torch.tensor([0, 1, 2, 0.5, 1]))
    assert len(images.subset([])) == 0
    assert images.with_labels(torch.zeros(5)).labels.dtype == torch.int64
