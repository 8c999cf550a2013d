"""UA, RA, TA, MIA: what each is of, on models whose answers are known."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import nn

import salun_utils.metrics as metrics
from salun_utils.data.images import Dataset, Images
from salun_utils.data.splits import class_split, random_split
from salun_utils.errors import InputError
from salun_utils.training import TrainingDivergedError

CLASSES = 4


class Reader(nn.Module):
    """Answers what is written in the picture: pixel 0 is the class it names, pixel 1 how sure it
    is.
    """

    def __init__(self, forgotten: int | None = None):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.forgotten = forgotten

    def forward(self, x):
        written = (x * 255).round().long().flatten(1)
        named, sure = written[:, 0] % CLASSES, written[:, 1].float() / 10
        if self.forgotten is not None:
            named = torch.where(named == self.forgotten, (named + 1) % CLASSES, named)
        return nn.functional.one_hot(named, CLASSES) * sure[:, None] * self.scale


def pictures(labels, *, wrong, sure, seed):
    """Pictures that name their label, save a share `wrong` of them; `sure` is the range of the
    logit in tenths.
    """
    draws = torch.Generator().manual_seed(seed)
    named = (labels + (torch.rand(len(labels), generator=draws) < wrong).long()) % CLASSES
    pixels = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = named.to(torch.uint8)
    pixels[:, 0, 0, 1] = torch.randint(*sure, (len(labels),), generator=draws).to(torch.uint8)
    return Images(pixels, labels)


@pytest.fixture
def data():
    train = pictures(torch.arange(800) % CLASSES, wrong=0, sure=(60, 100), seed=1)
    test = pictures(torch.arange(200) % CLASSES, wrong=0.3, sure=(5, 40), seed=2)
    return Dataset("written", train, test, list("abcd"), (0.0,), (1.0,))


def test_scores_of_a_model_with_known_answers(data):
    split = random_split(data, fraction=0.1, seed=0)
    found = metrics.evaluate(Reader(), split, protocol="paper")
    right = (split.test.pixels[:, 0, 0, 0] == split.test.labels).double().mean()
    assert (found.ua, found.ra) == (0, 100)
    assert found.ta == pytest.approx(100 * float(right))
    assert found.mia == 0  # the forget set is answered as surely as the members are
    assert found.counts == {
        "forget": len(split.forget),
        "retain": len(split.retain),
        "test": 200,
        "members": 200,
        "nonmembers": 200,
    }


def test_item_15_ua_is_not_the_accuracy_on_the_forget_set(data):
    split = class_split(data, label=2, seed=0)
    forgotten = metrics.evaluate(Reader(forgotten=2), split)
    kept = metrics.evaluate(Reader(), split)
    forget_accuracy = metrics.accuracy(
        metrics.predict_logits(Reader(forgotten=2), split.forget), split.forget.labels
    )
    # taken for one another, a perfect result reads as none at all
    assert forget_accuracy == 0 and forgotten.ua == 100
    assert kept.ua == 0
    assert forgotten.ua == 100 - forget_accuracy


def test_class_wise_ta_leaves_the_class_out(data):
    split = class_split(data, label=2, seed=0)
    model = Reader(forgotten=2)
    found = metrics.evaluate(model, split, protocol="paper")
    assert found.ta == metrics.accuracy(
        metrics.predict_logits(model, split.test), split.test.labels
    )
    assert found.test_forgotten == metrics.accuracy(
        metrics.predict_logits(model, split.test_forgotten), split.test_forgotten.labels
    )
    assert found.counts["test"] == 150
    assert metrics.evaluate(model, random_split(data, fraction=0.1, seed=0)).test_forgotten is None


@pytest.mark.parametrize(
    "labels", [torch.arange(200) % 4, torch.arange(201) % 7, torch.tensor([0] * 9 + [1] * 5 + [2])]
)
def test_item_07_halves_are_disjoint_cover_the_test_set_and_hold_half_of_each_class(labels):
    attack, judged = metrics.halves_by_class(labels)
    assert not set(attack.tolist()) & set(judged.tolist())
    assert sorted(attack.tolist() + judged.tolist()) == list(range(len(labels)))
    assert abs(len(attack) - len(judged)) <= 1
    for label in labels.unique():
        assert abs(int((labels[attack] == label).sum()) - int((labels[judged] == label).sum())) <= 1
    again = metrics.halves_by_class(labels)
    assert torch.equal(attack, again[0]) and torch.equal(judged, again[1])


def test_item_07_attack_never_sees_the_pictures_that_ta_is_of(data, monkeypatch):
    """With the faulty protocol the attack is fitted on the test set of TA; with the right one the
    two have no picture in common.
    """
    split = random_split(data, fraction=0.1, seed=0)
    stamped = torch.arange(200)
    # a number in each test picture, which the model passes on
    split.test.pixels[:, 0, 1, 0] = stamped.to(torch.uint8)

    class Stamped(Reader):
        def forward(self, x):
            return torch.cat([super().forward(x), x[:, :, 1, 0] * 255 - 1000], 1)

    seen: dict[str, set] = {}

    def watch_attack(retain, nonmember, target, *, seed=0):
        seen["attack"] = set(nonmember[0][:, -1].tolist())
        return dict.fromkeys(metrics.VARIANTS, 0.0), 1

    def watch_accuracy(logits, labels):
        seen["ta"] = set(logits[:, -1].tolist())
        return 0.0

    monkeypatch.setattr("salun_utils.metrics.scores.membership_shares", watch_attack)
    monkeypatch.setattr("salun_utils.metrics.scores.accuracy", watch_accuracy)
    metrics.evaluate(Stamped(), split)
    assert not seen["attack"] & seen["ta"] and len(seen["attack"] | seen["ta"]) == 200
    metrics.evaluate(Stamped(), split, protocol="paper")
    assert seen["attack"] == seen["ta"] and len(seen["ta"]) == 200


def test_item_07_scores_are_of_pictures_as_they_are(data, monkeypatch):
    """Neither augmented nor shuffled: members and non-members must not differ in how they were
    loaded.
    """
    asked = []
    plain = Images.batches

    def watch(self, size, **options):
        asked.append(options)
        return plain(self, size, **options)

    monkeypatch.setattr(Images, "batches", watch)
    split = random_split(data, fraction=0.1, seed=0)
    found = metrics.evaluate(Reader(), split)
    assert asked and all(
        not options.get("augment") and options.get("generator") is None for options in asked
    )

    def augmented(self, size, **options):
        return plain(self, size, generator=torch.Generator().manual_seed(0), augment="crop-flip")

    monkeypatch.setattr(Images, "batches", augmented)
    assert metrics.evaluate(Reader(), split).ra < found.ra


def test_item_09_a_class_beyond_the_labels_counts_as_wrong_until_it_is_cut_off(data):
    """Boundary expanding adds a shadow class. Left in the model when it is scored, it draws answers
    that no label has.
    """
    split = random_split(data, fraction=0.1, seed=0)

    class Shadowed(Reader):
        def forward(self, x):
            logits = super().forward(x)
            return torch.cat([logits, logits.max(1, keepdim=True).values + 1], 1)

    class Cut(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x)[:, :CLASSES]

    faulty, right = metrics.evaluate(Shadowed(), split), metrics.evaluate(Cut(Shadowed()), split)
    assert (faulty.ua, faulty.ra, faulty.ta) == (100, 0, 0)
    assert (right.ua, right.ra) == (0, 100)


def test_membership_is_of_members_against_as_many_nonmembers(data):
    split = random_split(data, fraction=0.1, seed=0)
    disjoint = metrics.evaluate(Reader(), split)
    assert (
        disjoint.counts["members"] == disjoint.counts["nonmembers"] == 100
        and disjoint.counts["test"] == 100
    )
    few = dataclasses.replace(split, retain=split.retain.subset(range(30)))
    assert metrics.evaluate(Reader(), few).counts["members"] == 30
    # pictures that were never trained on, asked about as if they had been
    unsure = dataclasses.replace(split, forget=data.test)
    assert metrics.evaluate(Reader(), unsure).mia > 80


def test_same_seed_same_scores_and_the_model_left_as_found(data):
    split = random_split(data, fraction=0.1, seed=0)
    model = Reader().train()
    first = metrics.evaluate(model, split, seed=3)
    assert first == metrics.evaluate(model, split, seed=3, batch_size=17)
    assert model.training and model.scale.grad is None


def test_gap_is_signed_and_its_average_is_not():
    def scores(ua, ra, ta, mia, protocol="disjoint"):
        return metrics.Scores(
            ua=ua,
            ra=ra,
            ta=ta,
            mia=mia,
            mia_variants={"confidence": mia},
            protocol=protocol,
            counts={},
        )

    # SalUn and Retrain on CIFAR-10, 10 % (Table 1): the published average gap is 1.15
    gap = scores(2.85, 99.62, 93.93, 14.39).gap(scores(5.24, 100, 94.26, 12.88))
    assert gap.ua == pytest.approx(2.85 - 5.24) and gap.ra == pytest.approx(-0.38)
    assert gap.ta == pytest.approx(93.93 - 94.26) and gap.mia == pytest.approx(14.39 - 12.88)
    assert gap.average == pytest.approx((2.39 + 0.38 + 0.33 + 1.51) / 4)
    assert round(gap.average, 2) == 1.15
    assert scores(5, 5, 5, 5).gap(scores(5, 5, 5, 5)).average == 0
    with pytest.raises(InputError, match="protocol"):
        scores(5, 5, 5, 5).gap(scores(5, 5, 5, 5, "paper"))


def test_scores_become_plain_values_and_come_back(data):
    found = metrics.evaluate(Reader(), random_split(data, fraction=0.1, seed=0))
    text = json.dumps(found.to_dict())
    assert metrics.Scores.model_validate(json.loads(text)) == found
    assert (
        set(found.mia_variants) == set(metrics.VARIANTS)
        and found.mia == found.mia_variants["confidence"]
    )


@pytest.mark.parametrize("part", ["forget", "retain", "test"])
def test_an_empty_part_is_named(data, part):
    split = random_split(data, fraction=0.1, seed=0)
    with pytest.raises(InputError, match=f"no {part} pictures"):
        metrics.evaluate(Reader(), dataclasses.replace(split, **{part: data.train.subset([])}))


def test_unknown_protocol_is_named_with_the_nearest(data):
    with pytest.raises(InputError, match="did you mean 'disjoint'"):
        metrics.evaluate(Reader(), random_split(data, fraction=0.1, seed=0), protocol="disjont")


def test_nan_answers_never_become_a_score(data):
    model = Reader()
    with torch.no_grad():
        model.scale.fill_(float("nan"))
    with pytest.raises(TrainingDivergedError, match="NaN"):
        metrics.evaluate(model, random_split(data, fraction=0.1, seed=0))


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
def test_an_attack_that_sees_no_difference_cannot_tell_and_its_share_stays_out(data, protocol):
    """On `data` members are plain to see. Where training pictures are answered as test pictures
    are, nobody could tell, whatever share of the forget set is called non-member.
    """
    split = random_split(data, fraction=0.1, seed=0)
    seen = metrics.evaluate(Reader(), split, protocol=protocol)
    assert seen.can_tell and seen.attack.low > 80
    alike = dataclasses.replace(
        data, train=pictures(torch.arange(800) % CLASSES, wrong=0.3, sure=(5, 40), seed=1)
    )
    blind = metrics.evaluate(
        Reader(), random_split(alike, fraction=0.1, seed=0), protocol=protocol, seed=1
    )
    assert blind.can_tell is False and blind.attack.low <= 50
    left = (
        len(split.retain) - seen.counts["members"]
    )  # those it was not fitted on, or all by halves
    asked = (left, 100) if protocol == "disjoint" else (200, 200)
    assert (seen.attack.members, seen.attack.nonmembers) == asked
    gap = blind.gap(seen)
    assert gap.average_without_mia == (abs(gap.ua) + abs(gap.ra) + abs(gap.ta)) / 3
    assert blind.average_gap(seen) == seen.average_gap(blind) == gap.average_without_mia
    assert gap.can_tell is False and seen.gap(seen).can_tell is True
    assert gap.average_told == gap.average_without_mia != gap.average
    assert seen.average_gap(seen) == seen.gap(seen).average == 0
    retain, test = (
        (metrics.predict_logits(Reader(), part), part.labels) for part in (split.retain, split.test)
    )
    assert metrics.confidence_worth(retain, test, protocol=protocol) == seen.attack


def test_scores_from_before_the_attacks_worth_still_read(data):
    found = metrics.evaluate(Reader(), random_split(data, fraction=0.1, seed=0))
    old = metrics.Scores.model_validate({k: v for k, v in found.to_dict().items() if k != "attack"})
    assert old.attack is None and old.can_tell is None
    assert old.gap(found).can_tell is None and "can_tell" not in found.gap(found).to_dict()
    assert old.gap(found).to_dict() == dict.fromkeys(("ua", "ra", "ta", "mia"), 0.0)
    assert old.average_gap(found) == 0.0
    few = random_split(data, fraction=0.1, seed=0)
    one = dataclasses.replace(few, retain=few.retain.subset([0]))
    assert metrics.evaluate(Reader(), one).attack is None
