"""What a `RunSpec` names outside the code: the data set, its cut, and the device."""

from __future__ import annotations

from pathlib import Path

import torch

from .. import data as datasets
from ..data import forget_sets, scenarios
from ..data.places import data_folder
from ..data.splits import ForgetSplit
from ..errors import InputError, unknown
from ..fitting import ranks
from .spec import RunSpec


def load_dataset(spec: RunSpec, *, size: int | None = None) -> datasets.Dataset:
    """The data set of a spec: a known name, a folder of that name in ``$SALUN_DATA``, or a path;
    `size` as in `data.load`.
    """
    name = spec.dataset
    if name not in datasets.NAMES and not Path(name).exists():
        beside = data_folder() / name
        if not beside.is_dir():
            if "/" in name or "\\" in name:
                raise InputError(f"there is no folder {name}")
            raise unknown("data set", name, datasets.NAMES)
        name = str(beside)
    data = datasets.load(name, size=size, note=spec.data_note or None)
    if spec.train_classes is not None:
        data = _first_classes(data, spec.train_classes)
    return data if spec.train_images is None else _thinned(data, spec.train_images)


def _first_classes(data: datasets.Dataset, count: int) -> datasets.Dataset:
    """The pictures of the first `count` classes, of training and of test."""
    if count > data.num_classes:
        raise InputError(
            f"train_classes must be at most {data.num_classes}, all classes of {data.name}, not"
            f" {count}"
        )

    train, test = (
        part.subset((part.labels < count).nonzero().flatten()) for part in (data.train, data.test)
    )
    return _cut(data, train, test, data.classes[:count])


def _thinned(data: datasets.Dataset, count: int) -> datasets.Dataset:
    """The first pictures of each class, `count` in all, in file order; all of them where there are
    no more.
    """
    each, labels = count // data.num_classes, data.train.labels
    if count >= len(labels):
        return data
    if not each:
        raise InputError(
            f"train_images must be at least {data.num_classes}, one for each class, not {count}"
        )
    chosen = (
        torch.cat([(labels == c).nonzero().flatten()[:each] for c in range(data.num_classes)])
        .sort()
        .values
    )
    return _cut(data, data.train.subset(chosen), data.test, data.classes)


def _cut(
    data: datasets.Dataset, train: datasets.Images, test: datasets.Images, classes: list[str]
) -> datasets.Dataset:
    """Part of a data set, with pixels of its own and the normalisation of the whole."""
    train, test = (datasets.Images(part.pixels, part.labels) for part in (train, test))
    return datasets.Dataset(data.name, train, test, classes, data.mean, data.std, data.note)


def make_split(
    data: datasets.Dataset, spec: RunSpec, scores: torch.Tensor | None = None
) -> ForgetSplit:
    """Cut `data` as the spec says; scenarios by memorisation need the `scores` of
    `scenario_scores`.
    """
    return scenarios.make_split(
        data,
        spec.scenario,
        seed=spec.seeds["split"],
        forget_fraction=spec.forget_fraction,
        forget_class=spec.forget_class,
        indices=forget_sets.read(spec.indices or "", data) if spec.scenario == "indices" else None,
        scores=scores,
    )


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the GPU where there is one.

    Raises
    ------
    InputError : no such device, one that is not there, or one that holds no numbers ("meta").
    """
    ranks.here()  # of several processes each is on a GPU of its own
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps") or (device.type != "cuda" and device.index):
        raise InputError(f"there is no device {name!r}; allowed: auto, cpu, cuda, cuda:N, mps")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device {name} is not there: no Apple GPU found")
    if device.type == "cuda" and not (
        torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    ):
        raise InputError(f"device {name} is not there: {torch.cuda.device_count()} GPUs found")
    return device
