"""How far generated pictures are from real ones.

Distances compare with all real pictures of the classes that were *not* forgotten; the result names
the features they were taken on and counts the pictures on both sides."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.images import Images
from ...errors import InputError
from ...metrics.distances import Gaussian, kernel_distance
from ...metrics.intervals import Interval
from ...seeds import generator
from ...units import numerics
from ..files import check_uint8
from ..models.judges import Judge

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"


NEIGHBOURS = 3  # of precision and recall, as published


def reference(images: Images, forgotten: int | None = None) -> Tensor:
    """All real pictures, uint8 (N, C, H, W), but those of the forgotten class."""
    if forgotten is None:
        return images.pixels
    return images.subset((images.labels != forgotten).nonzero().flatten()).pixels


@dataclass(frozen=True)
class FeatureSpace:
    """Where distances are measured: a name for the page, and a function from uint8 pictures to
    (features (N, F), p (N, K)).
    """

    name: str
    extract: Callable[[Tensor], tuple[Tensor, Tensor]]


def judge_features(judge: Judge) -> FeatureSpace:
    """The inputs of the judge's last layer, of pictures of any size. Not comparable with Inception
    features, hence the name.
    """

    def extract(pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits, features = judge.outputs(judge.fit(pixels))
        return features, logits.softmax(1)

    return FeatureSpace(f"judge ({judge.name})", extract)


def inception_weights() -> Path | None:
    """The Inception weights of torch-fidelity: ``$SALUN_INCEPTION``, else torch.hub's cache; None
    where neither has them.
    """
    given = os.environ.get("SALUN_INCEPTION", "")
    path = (
        Path(given).expanduser()
        if given
        else Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE
    )
    if given and not path.is_file():
        raise InputError(f"SALUN_INCEPTION names {path}, which is not there")
    return path if path.is_file() else None


def inception_features(device: str | torch.device = "cpu", batch_size: int = 50) -> FeatureSpace:
    """The 2048-wide pooled features of Inception-v3 as in FID, by torchmetrics and torch-fidelity.
    Takes uint8; grey pictures become RGB.

    Raises
    ------
    InputError : the weights are not on this machine. They are never fetched silently.
    """
    path = inception_weights()
    if path is None:
        raise InputError(
            f"the Inception weights are not here: put {INCEPTION_FILE} (torch-fidelity's release"
            " v0.2.0) into torch.hub's cache or name it in SALUN_INCEPTION, or measure on the"
            " judge's features"
        )
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(path)).to(
        device
    )

    @torch.no_grad()
    def extract(pixels: Tensor) -> tuple[Tensor, Tensor]:
        check_uint8(pixels)
        if pixels.shape[1] == 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        out = [network._torch_fidelity_forward(x.to(device)) for x in pixels.split(batch_size)]
        return torch.cat([f.float().cpu() for f, _ in out]), torch.cat(
            [p.float().softmax(1).cpu() for _, p in out]
        )

    return FeatureSpace("Inception-v3 (2048)", extract)


def feature_space(judge: Judge | None = None, device: str | torch.device = "cpu") -> FeatureSpace:
    """Inception features where the weights are, else the judge's, whose name says so; `InputError`
    when neither is to be had.
    """
    if judge is None or inception_weights() is not None:
        return inception_features(device)
    return judge_features(judge)


@dataclass(frozen=True)
class Reference:
    """Real pictures as a feature space sees them, for many distances to the same ones.

    Attributes
    ----------
    name : of the feature space. features : (M, F). reach : (M,), the distance of each to its k-th
        nearest among the others.
    """

    name: str
    features: Tensor
    reach: Tensor

    @classmethod
    def of(cls, pixels: Tensor, space: FeatureSpace, *, neighbours: int = NEIGHBOURS) -> Reference:
        """Of uint8 pictures (M, C, H, W), more than `neighbours` of them; see `reference` for
        which.
        """
        check_uint8(pixels)
        _check_count(len(pixels), neighbours)
        features, _ = space.extract(pixels)
        return cls(space.name, features, _reach(features, neighbours))

    @cached_property
    def gaussian(self) -> Gaussian:
        """The normal distribution fitted to them."""
        return Gaussian.fit(self.features)


@dataclass(frozen=True)
class Distances:
    """Generated against real pictures, on the features called `features`.

    fid and kid (a mean over subsets) are best at 0, inception_score is better the higher it is.
    precision is the share of generated pictures that lie among the real ones, recall the share of
    real ones that lie among the generated. Counts of both sides are given, since all of these
    depend on them. fid_interval is as resampling gave it: show `fid_between`.
    """

    features: str
    fid: float
    fid_interval: Interval
    kid: float
    kid_deviation: float
    inception_score: float
    precision: float
    recall: float
    generated: int
    real: int

    def to_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)


def fid_between(far: Distances | Mapping[str, Any]) -> Interval | None:
    """The interval of an FID, to be shown beside it: None where it leaves its own value out, or
    where there is none.

    A resampled set holds fewer different pictures, which takes its FID up, the more so the fewer
    there are: its percentiles then surround another value.

    Parameters
    ----------
    far : distances, or what a record has of them.
    """
    found = far if isinstance(far, Mapping) else far.to_dict()
    if "fid" not in found or not found.get("fid_interval"):
        return None
    low, high = found["fid_interval"]
    return Interval(low, high) if low <= found["fid"] <= high else None


@numerics(1, "metric/pictures", uses=("metric/gaussian", "metric/kernel"))
def distances(
    generated: Tensor,
    real: Tensor | Reference,
    space: FeatureSpace,
    *,
    resamples: int = 20,
    subset_size: int = 500,
    seed: int = 0,
) -> Distances:
    """All distances between two sets of uint8 pictures.

    Parameters
    ----------
    generated : pictures of the classes that are kept. real : all real pictures of those classes,
        see `reference`; or a `Reference`.
    resamples : bootstrap draws of the generated side for the interval of the FID; resampling biases
        it upwards, so its width counts.
    """
    check_uint8(generated)
    _check_count(len(generated))
    ref = real if isinstance(real, Reference) else Reference.of(real, space)
    if ref.name != space.name:
        raise InputError(f"the reference is on features of {ref.name}, not of {space.name}")
    fake, probabilities = space.extract(generated)
    true = ref.features
    rng = generator(seed, "bootstrap of the FID")
    draws = [
        ref.gaussian.distance(fake[torch.randint(len(fake), (len(fake),), generator=rng)])
        for _ in range(resamples)
    ]
    kid, deviation = kernel_distance(
        fake, true, subset_size=min(subset_size, len(fake), len(true)), subsets=50, seed=seed
    )
    precision, recall = precision_recall(fake, true, reach=ref.reach)
    return Distances(
        features=space.name,
        fid=ref.gaussian.distance(fake),
        fid_interval=(
            Interval(*np.percentile(draws, [2.5, 97.5]).tolist())
            if draws
            else Interval(float("nan"), float("nan"))
        ),
        kid=kid,
        kid_deviation=deviation,
        inception_score=inception_score(probabilities),
        precision=precision,
        recall=recall,
        generated=len(fake),
        real=len(true),
    )


def inception_score(probabilities: Tensor) -> float:
    """exp of the mean KL(p(y|x) || p(y)) of class probabilities (N, K): 1 to K (Salimans et al.,
    2016), over all pictures at once.
    """
    p = probabilities.double().clamp_min(1e-16)
    return float((p * (p.log() - p.mean(0).log())).sum(1).mean().exp())


def precision_recall(
    generated: Tensor, real: Tensor, *, neighbours: int = NEIGHBOURS, reach: Tensor | None = None
) -> tuple[float, float]:
    """(precision, recall) of features (N, F) and (M, F), by Kynkäänniemi et al. (2019).

    Precision: share of generated pictures within reach of a real one, which is that one's distance
    to its k-th nearest real neighbour. Recall: the same with the sides exchanged.

    Parameters
    ----------
    reach : that of the real ones (M,), when it is known already.
    """
    _check_count(min(len(generated), len(real)), neighbours)
    reach = _reach(real, neighbours) if reach is None else reach
    return _covered(generated, real, reach), _covered(
        real, generated, _reach(generated, neighbours)
    )


def _check_count(count: int, neighbours: int = NEIGHBOURS) -> None:
    if count <= neighbours:
        raise InputError(
            f"distances need more than {neighbours} pictures on each side, not {count}"
        )


def _reach(points: Tensor, k: int, chunk: int = 1000) -> Tensor:
    """Distance of each point to its k-th nearest among the others."""
    points = points.float()
    # the smallest distance is that of a point to itself, so the k-th neighbour is the (k + 1)-th
    # smallest
    return torch.cat(
        [torch.cdist(part, points).kthvalue(k + 1, dim=1).values for part in points.split(chunk)]
    )


def _covered(points: Tensor, manifold: Tensor, reach: Tensor, chunk: int = 1000) -> float:
    """Share of `points` inside the union of balls around `manifold`'s points."""
    inside = [
        (torch.cdist(part.float(), manifold.float()) <= reach).any(1)
        for part in points.split(chunk)
    ]
    return float(torch.cat(inside).float().mean())
