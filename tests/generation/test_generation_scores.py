"""Scores of generated pictures against analytic values, and the published mistakes they must not
repeat.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from salun_utils import models
from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.generation.measures import distances as apart
from salun_utils.generation.measures import recognition as scores
from salun_utils.generation.measures.distances import FeatureSpace
from salun_utils.generation.models.judges import Judge

CLASSES = ["dark", "middle", "bright"]


class Brightness:
    """A judge that reads the class off the mean brightness: 0, 1 or 2."""

    name, classes, accuracy = "brightness", CLASSES, 100.0

    def __call__(self, pixels):
        return (pixels.float().mean((1, 2, 3)) / 100).floor().long().clamp(0, 2)

    def label(self, concept):
        return CLASSES.index(concept)

    def probabilities(self, pixels):
        return torch.nn.functional.one_hot(self(pixels), 3).float()

    def features(self, pixels):
        return pixels.flatten(1).float()


def grey(*values: int) -> torch.Tensor:
    return (
        torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    )


def pixels_as_features() -> FeatureSpace:
    return FeatureSpace("pixels", lambda x: (x.flatten(1).double(), torch.full((len(x), 2), 0.5)))


def normal_pictures(n: int, mean: float, deviation: float, seed: int) -> torch.Tensor:
    draws = torch.randn(n, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
    return (draws * deviation + mean).round().clamp(0, 255).to(torch.uint8)


# -- recognition -----------------------------------------------------------------------


def test_recognition_counts_by_hand():
    pixels = grey(0, 0, 120, 250, 250, 250, 120, 120)
    labels = torch.tensor([0, 0, 0, 2, 2, 2, 2, 1])
    found = scores.recognition(pixels, labels, Brightness(), forgotten="bright")
    assert found.ua == 25.0 and found.retained == {"dark": pytest.approx(200 / 3), "middle": 100.0}
    assert found.retained_mean == pytest.approx((200 / 3 + 100) / 2)
    assert found.samples == {"dark": 3, "middle": 1, "bright": 4} and sum(
        found.samples.values()
    ) == len(pixels)
    assert found.ua_interval.low <= 25 <= found.ua_interval.high
    assert found.judge == "brightness" and found.judge_accuracy == 100.0


def test_ua_is_not_the_accuracy_on_the_forgotten_class():
    """A published confusion: a class that is still drawn perfectly has UA 0, one that is gone has
    UA 100.
    """
    kept, gone = grey(250, 250, 0), grey(0, 0, 0)
    labels = torch.tensor([2, 2, 0])
    assert scores.recognition(kept, labels, Brightness(), forgotten="bright").ua == 0
    assert scores.recognition(gone, labels, Brightness(), forgotten="bright").ua == 100


def test_an_original_has_no_ua():
    found = scores.recognition(grey(0, 250), torch.tensor([0, 2]), Brightness())
    assert found.ua is None and found.forgotten is None and found.retained_mean == 100


def test_sample_labels_count_every_class():
    labels = scores.sample_labels(3, 1, 2, 5)
    assert labels.tolist() == [0, 0, 1, 1, 1, 1, 1, 2, 2]
    with pytest.raises(InputError, match="0 samples"):
        scores.sample_labels(3, 1, 0, 5)


# -- distances -------------------------------------------------------------------------


def test_identical_sets_are_at_distance_zero():
    x = normal_pictures(200, 120, 20, seed=0)
    found = apart.distances(x, x.clone(), pixels_as_features(), resamples=0)
    assert found.fid == 0 and found.precision == 1 and found.recall == 1
    assert found.generated == found.real == 200 and found.features == "pixels"


def test_two_known_gaussians_give_the_analytic_distance():
    """Four independent pixels N(100, 10²) against N(130, 20²): 4 (30² + (20 - 10)²)."""
    a, b = normal_pictures(4000, 100, 10, seed=1), normal_pictures(4000, 130, 20, seed=2)
    found = apart.distances(a, b, pixels_as_features(), resamples=3)
    assert found.fid == pytest.approx(4 * (30**2 + 10**2), rel=0.05)
    assert found.fid_interval.low <= found.fid_interval.high


def test_an_interval_is_shown_only_around_its_own_value():
    x = normal_pictures(100, 120, 20, seed=0)
    far = apart.distances(x, x.clone(), pixels_as_features())
    assert far.fid == 0 < far.fid_interval.low, "resampling takes the distance up"
    assert apart.fid_between(far) is None and apart.fid_between(far.to_dict()) is None
    assert apart.fid_between({"fid": 2.0, "fid_interval": [1.5, 2.5]}) == (1.5, 2.5)
    assert apart.fid_between({"fid": 2.0}) is None and apart.fid_between({}) is None


def test_distance_is_symmetric_and_counts_both_sides():
    a, b = normal_pictures(300, 100, 10, seed=1), normal_pictures(200, 130, 20, seed=2)
    there, back = (
        apart.distances(*pair, pixels_as_features(), resamples=0) for pair in ((a, b), (b, a))
    )
    assert there.fid == pytest.approx(back.fid)
    assert (there.generated, there.real) == (300, 200) and (back.generated, back.real) == (200, 300)
    assert (there.precision, there.recall) == (back.recall, back.precision)


def test_shuffled_pixels_are_further_than_noise():
    x = normal_pictures(200, 0, 1, seed=0) + (torch.arange(4, dtype=torch.uint8) * 60).view(
        1, 1, 2, 2
    )
    near = x + torch.randint(
        0, 3, x.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    far = x.flatten(2).flip(2).view_as(x)
    assert (
        apart.distances(far, x, pixels_as_features()).fid
        > 100 * apart.distances(near, x, pixels_as_features()).fid
    )


def test_a_set_with_other_class_shares_is_further():
    """Shuffling which classes are drawn must show: all bright against an even mix is further than
    another even mix.
    """
    mix, other, bright = (
        normal_pictures(300, m, 3, seed=s) for m, s in ((100, 1), (100, 2), (100, 3))
    )
    for x, step in ((mix, 50), (other, 50)):
        x[::2] += step
    bright += 50
    assert (
        apart.distances(bright, mix, pixels_as_features()).fid
        > 50 * apart.distances(other, mix, pixels_as_features()).fid
    )


def test_item_12_precision_and_recall_are_not_swapped():
    """A generator that draws one of two modes well is precise with half the recall; one that adds
    nonsense is the reverse.
    """
    draws = torch.Generator().manual_seed(0)
    near, far = torch.randn(200, 2, generator=draws), torch.randn(200, 2, generator=draws) + 100
    precision, recall = apart.precision_recall(near[:100], torch.cat([near[100:], far]))
    assert precision > 0.9 and 0.2 < recall < 0.5
    precision, recall = apart.precision_recall(torch.cat([near[:100], far]), near[100:])
    assert precision < 0.5 and recall > 0.9


def test_precision_and_recall_agree_with_torch_fidelity():
    prc = pytest.importorskip("torch_fidelity.metric_prc")
    draws = torch.Generator().manual_seed(0)
    fake, real = (
        torch.randn(120, 5, generator=draws) * 0.7,
        torch.randn(150, 5, generator=draws) + 0.3,
    )
    theirs = prc.prc_features_to_metric(
        fake, real, prc_neighborhood=3, prc_batch_size=50, save_cpu_ram=False, verbose=False
    )
    assert apart.precision_recall(fake, real) == pytest.approx(
        (theirs["precision"], theirs["recall"]), abs=0.01
    )


def test_frechet_distance_agrees_with_torchmetrics():
    fid = pytest.importorskip("torchmetrics.image.fid")

    class Flat(torch.nn.Module):
        num_features = 4

        def forward(self, x):
            return x.flatten(1).double()

    a, b = normal_pictures(300, 100, 10, seed=1), normal_pictures(250, 130, 20, seed=2)
    theirs = fid.FrechetInceptionDistance(feature=Flat(), normalize=False, input_img_size=(1, 2, 2))
    theirs.set_dtype(torch.float64)
    theirs.update(b, real=True)
    theirs.update(a, real=False)
    assert apart.distances(a, b, pixels_as_features(), resamples=0).fid == pytest.approx(
        float(theirs.compute()), rel=1e-6
    )


def test_inception_score_has_its_known_ends():
    assert apart.inception_score(torch.full((50, 10), 0.1)) == pytest.approx(1)
    assert apart.inception_score(torch.eye(10).repeat(5, 1)) == pytest.approx(10)
    one_class = torch.zeros(20, 10)
    one_class[:, 3] = 1
    assert apart.inception_score(one_class) == pytest.approx(1)


def test_item_12_reference_is_every_real_picture_of_every_other_class():
    """Published code took 500 pictures a class by position, which is right for class 0 only."""
    labels = torch.tensor([0, 1, 2] * 7 + [2, 2])
    images = Images(grey(*(labels * 100).tolist()), labels)
    for gone in range(3):
        kept = apart.reference(images, gone)
        assert len(kept) == int((labels != gone).sum())
        assert not (kept == gone * 100).all(dim=(1, 2, 3)).any()
    assert len(apart.reference(images)) == len(images)


@pytest.mark.parametrize(
    "wrong", [torch.rand(4, 1, 4, 4) * 2 - 1, torch.zeros(4, 4, 4, dtype=torch.uint8)]
)
def test_item_13_floats_are_refused_never_cast(wrong):
    """Published code cast floats in [-1, 1] to uint8, which makes every picture black."""
    with pytest.raises(InputError, match="uint8"):
        apart.distances(wrong, grey(0, 1, 2, 3), pixels_as_features())


def test_inception_is_never_downloaded(monkeypatch, tmp_path):
    monkeypatch.delenv("SALUN_INCEPTION", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(
        torch.hub, "load_state_dict_from_url", lambda *a, **k: pytest.fail("tried to download")
    )
    with pytest.raises(InputError, match="Inception weights are not here"):
        apart.inception_features()
    with pytest.raises(InputError, match="Inception weights are not here"):
        apart.feature_space(None)
    # the fallback says what it is
    assert apart.feature_space(Brightness()).name == "judge (brightness)"
    monkeypatch.setenv("SALUN_INCEPTION", str(tmp_path / "absent.pth"))
    with pytest.raises(InputError, match="not there"):
        apart.inception_weights()


def test_item_13_inception_features_are_2048_wide_on_uint8(monkeypatch, tmp_path):
    """Published code used the 64-feature layer. Random weights in place of the real ones show the
    path.
    """
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    monkeypatch.setattr(
        fidelity.FeatureExtractorInceptionV3,
        "load_state_dict",
        lambda self, state, *a, **k: None,
        raising=False,
    )
    torch.save({}, tmp_path / "weights.pth")
    monkeypatch.setenv("SALUN_INCEPTION", str(tmp_path / "weights.pth"))
    space = apart.inception_features()
    features, probabilities = space.extract(grey(0, 200))
    assert features.shape == (2, 2048) and probabilities.shape == (2, 1008) and "2048" in space.name
    assert torch.allclose(probabilities.sum(1), torch.ones(2), atol=1e-4)
    with pytest.raises(InputError, match="uint8"):
        space.extract(torch.rand(2, 3, 8, 8))


def test_too_few_pictures_are_refused():
    with pytest.raises(InputError, match="more than 3 pictures"):
        apart.distances(grey(1), grey(1, 2, 3, 4, 5), pixels_as_features())
    with pytest.raises(InputError, match="more than 3"):
        apart.precision_recall(torch.randn(3, 2), torch.randn(9, 2))
    with pytest.raises(InputError, match="as many labels"):
        scores.recognition(grey(0, 1), torch.tensor([0]), Brightness())
    with pytest.raises(InputError, match="none of the pictures"):
        scores.recognition(grey(0, 1), torch.tensor([0, 0]), Brightness(), forgotten="bright")


# -- the judge -------------------------------------------------------------------------


@pytest.fixture
def judge() -> Judge:
    return Judge(
        models.create("small-cnn", num_classes=3, channels=1, image_size=8, width=0.25),
        CLASSES,
        accuracy=12.5,
    )


def test_judge_survives_saving(judge, tmp_path):
    pixels = torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8)
    again = Judge.load(judge.save(tmp_path))
    assert (
        torch.equal(judge.probabilities(pixels), again.probabilities(pixels))
        and again.accuracy == 12.5
    )
    assert again.classes == CLASSES and again(pixels).shape == (7,)


def test_judge_features_are_the_inputs_of_its_last_layer(judge):
    pixels = torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8)
    logits = judge.model.fc(judge.features(pixels))
    assert torch.allclose(logits.softmax(1), judge.probabilities(pixels), atol=1e-5)
    assert torch.equal(judge(pixels), logits.argmax(1))
    assert math.isclose(float(judge.probabilities(pixels).sum()), 7, rel_tol=1e-5)


def test_judge_refuses_what_it_was_not_made_for(judge):
    for wrong, says in (
        (torch.rand(2, 1, 8, 8), "uint8"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "shape"),
        (torch.zeros(0, 1, 8, 8, dtype=torch.uint8), "no picture"),
    ):
        with pytest.raises(InputError, match=says):
            judge(wrong)
    with pytest.raises(InputError, match="unknown class"):
        judge.label("purple")


def test_results_are_plain_values_for_a_record():
    found = scores.recognition(grey(0, 250), torch.tensor([0, 2]), Brightness()).to_dict()
    near = apart.distances(
        normal_pictures(20, 9, 2, 0),
        normal_pictures(20, 9, 2, 1),
        pixels_as_features(),
        resamples=2,
    ).to_dict()
    import json

    assert json.loads(json.dumps([found, near], default=float))[1]["features"] == "pixels"
    assert np.isfinite(near["fid"])
