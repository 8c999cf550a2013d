"""What is left inside an unlearned classifier: layers, relearning, rounded weights, and the record
of all of it.
"""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.runs import Cache, Record, RunSpec, prepare
from salun_utils.studies.traces import inside, study
from salun_utils.studies.traces.quantise import codes_changed, quantised, rounded_parameters
from salun_utils.studies.traces.relearn import relearn

ROOT = Path(__file__).parents[3]
SMALL = {
    "dataset": "digits",
    "width": 0.25,
    "train_epochs": 6,
    "train_batch_size": 128,
    "forget_fraction": 0.2,
    "forget_class": 3,
}
METHODS = {"rl": {"epochs": 1, "lr": 0.02}, "salun": {"epochs": 1, "lr": 0.02}}


@pytest.fixture(scope="module", params=["class", "random"])
def record(request, tmp_path_factory) -> Record:
    spec = RunSpec(**SMALL, scenario=request.param, method="original")
    plan = study.Plan(
        spec,
        METHODS,
        watched=20,
        compared=60,
        counts=(1, 4),
        steps=(0, 1, 3),
        benign=70,
        bits=(8, 3),
    )
    return study.run(plan, prepare(spec, cache=Cache(tmp_path_factory.mktemp("cache"))))


# -- inside ----------------------------------------------------------------------------


def test_the_last_layer_is_what_the_classifier_reads(tiny_model, digits_split):
    before = copy.deepcopy(tiny_model.state_dict())
    tiny_model.train()
    pictures = digits_split.forget.subset(range(40))
    found = inside.activations(tiny_model, pictures)
    assert list(found) == inside.stages(tiny_model) and list(found)[-1] == inside.LAST
    logits = su.metrics.predict_logits(tiny_model, pictures)
    assert torch.allclose(tiny_model.fc(found[inside.LAST]), logits, atol=1e-5)
    assert tiny_model.training and all(
        torch.equal(before[n], v) for n, v in tiny_model.state_dict().items()
    )
    assert not any(
        m._forward_hooks or m._forward_pre_hooks
        for m in tiny_model.modules()
        if m is not tiny_model
    )
    with pytest.raises(InputError, match="no layer 'nowhere'"):
        inside.activations(tiny_model, pictures, ["nowhere"])


@pytest.mark.parametrize("arch", ["resnet18", "vgg16_bn", "swin_t", "vit_tiny", "mixer_s"])
def test_every_family_of_networks_can_be_read(arch, digits_split):
    model = su.models.create(arch, num_classes=10, channels=1, image_size=32, width=0.25)
    pictures = su.data.images.Images(
        torch.randint(0, 256, (6, 1, 32, 32), dtype=torch.uint8), torch.arange(6)
    )
    found = inside.activations(model, pictures)
    assert len(found) >= 2 and all(v.shape[0] == 6 and v.ndim == 2 for v in found.values())
    assert torch.allclose(
        inside.last_linear(model)(found[inside.LAST]),
        su.metrics.predict_logits(model, pictures),
        atol=1e-4,
    )


def test_alignment_is_one_for_the_same_network_and_lower_for_another(tiny_model, digits_split):
    other = su.models.create(**tiny_model.recipe | {"seed": 7})
    mine, its = (inside.activations(m, digits_split.test) for m in (tiny_model, other))
    assert all(v == pytest.approx(1) for v in inside.alignment(mine, mine).values())
    assert inside.alignment(mine, its)[inside.LAST] < 0.95


def test_probes_find_a_class_that_the_network_knows_and_no_members_where_there_are_none(
    tiny_model, digits, digits_split
):
    assert inside.class_probe(tiny_model, digits.test, 3)["class"] > 80
    order = torch.randperm(len(digits_split.test), generator=torch.Generator().manual_seed(0))
    # both sides are pictures that it never saw
    one, two = (digits_split.test.subset(rows) for rows in order.chunk(2))
    assert 35 < inside.membership_probe(tiny_model, one, two, seed=0) < 65
    half = inside.halves(torch.tensor([0, 0, 0, 1, 1]))
    assert half.tolist() == [True, False, True, True, False]


# -- relearning ------------------------------------------------------------------------


def test_relearning_leaves_the_model_and_the_running_statistics(
    tiny_model, digits_split, monkeypatch
):
    before, seen = copy.deepcopy(tiny_model.state_dict()), []
    monkeypatch.setattr(
        "salun_utils.studies.traces.relearn.fit",
        lambda model, *a, **k: (seen.append(model), su.training.fit(model, *a, **k))[1],
    )
    pictures = digits_split.forget.subset(range(4))
    looks = relearn(tiny_model, pictures, {"test": digits_split.test}, steps=(0, 2, 5), lr=0.01)
    assert [look["step"] for look in looks] == [0, 2, 5]
    logits = su.metrics.predict_logits(tiny_model, digits_split.test)
    assert looks[0]["test"] == su.metrics.accuracy(logits, digits_split.test.labels)
    assert all(torch.equal(before[n], v) for n, v in tiny_model.state_dict().items())
    taught = seen[0]
    assert all(torch.equal(before[n], b) for n, b in taught.named_buffers())
    assert not torch.equal(before["fc.weight"], taught.fc.weight)


def test_relearning_takes_the_steps_it_says(tiny_model, digits_split):
    few = digits_split.forget.subset(range(10))
    plain = copy.deepcopy(tiny_model).eval()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01)
    for _ in range(3):
        x, y = next(few.batches(10))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(plain(x), y).backward()
        optimizer.step()
    expected = su.metrics.accuracy(
        su.metrics.predict_logits(plain, digits_split.test), digits_split.test.labels
    )
    looks = relearn(tiny_model, few, {"test": digits_split.test}, steps=(3,), lr=0.01)
    assert looks == [{"step": 3, "test": pytest.approx(expected, abs=0.5)}]


@pytest.mark.parametrize("steps", [(), (2, 1), (1, 1), (-1, 2)])
def test_steps_ascend(steps, tiny_model, digits_split):
    with pytest.raises(InputError, match="steps must be ascending"):
        relearn(tiny_model, digits_split.forget, {}, steps=steps, lr=0.1)


# -- rounding --------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounded_weights_have_few_levels_and_err_by_half_a_step(bits, tiny_model):
    before = {n: p.clone() for n, p in tiny_model.state_dict().items()}
    small = quantised(tiny_model, bits=bits)
    for name, p in rounded_parameters(tiny_model).items():
        q = small.state_dict()[name]
        for channel, exact in zip(q.flatten(1), p.flatten(1)):
            step = exact.abs().max() / (2 ** (bits - 1) - 1)
            assert len(channel.unique()) <= 2**bits - 1
            assert ((channel - exact).abs() <= 0.5001 * step).all()
    rest = [n for n in before if n not in rounded_parameters(tiny_model)]
    assert rest and all(torch.equal(small.state_dict()[n], before[n]) for n in rest)
    assert all(torch.equal(tiny_model.state_dict()[n], v) for n, v in before.items())


def test_codes_change_where_a_weight_moves_by_more_than_a_step(tiny_model):
    moved = copy.deepcopy(tiny_model)
    assert codes_changed(tiny_model, moved) == 0
    with torch.no_grad():
        step = moved.fc.weight[0].abs().max() / 127
        place = int(moved.fc.weight[0].abs().argmin())
        moved.fc.weight[0, place] += 3 * step
    total = sum(p.numel() for p in rounded_parameters(moved).values())
    assert codes_changed(tiny_model, moved) == pytest.approx(1 / total)
    assert codes_changed(tiny_model, moved, bits=2) == 0  # a step of two bits is 127 times as wide
    with pytest.raises(InputError, match="bits must be a whole number from 2 to 16"):
        quantised(moved, bits=1)


def test_a_channel_of_zeros_stays_zero(tiny_model):
    with torch.no_grad():
        tiny_model.fc.weight[0] = 0
    assert (quantised(tiny_model).fc.weight[0] == 0).all()


# -- the study -------------------------------------------------------------------------


def test_a_record_holds_every_network_beside_retrain(record):
    found = record.measurements["networks"]
    assert list(found) == ["retrain", "original", "retrain again", "rl", "salun"]
    assert all(v == 1 for layers in found["retrain"]["cka"].values() for v in layers.values())
    assert found["original"]["scores"]["ua"] < found["retrain"]["scores"]["ua"]
    for name, network in found.items():
        assert {k: len(v) for k, v in network["margins"].items()} == {
            "forget": 20,
            "retain": 10,
            "test": 10,
        }, name
        assert set(network["relearn"]) == {"1", "4", "benign"}
        assert [look["step"] for look in network["relearn"]["4"]] == [0, 1, 3]
        assert network["rounded"]["8"]["lesson"] == 4
    assert found["original"]["rounded"]["8"]["codes_changed"] == 0
    assert (
        0
        < found["salun"]["rounded"]["8"]["codes_changed"]
        <= found["rl"]["rounded"]["8"]["codes_changed"]
    )
    assert found["retrain again"]["margins"] != found["retrain"]["margins"]
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_what_is_followed_fits_the_scenario(record):
    look = record.measurements["networks"]["rl"]["relearn"]["benign"][0]
    if record.spec["scenario"] == "class":
        assert set(look) == {"step", "forget", "test", "test_forgotten"}
        assert set(record.measurements["networks"]["rl"]["probe"]) == {"class", "others"}
    else:
        assert set(look) == {"step", "forget", "test"} and set(
            record.measurements["networks"]["rl"]["probe"]
        ) == {"member"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": ()}, "at least one number"),
        ({"counts": (0,)}, "counts"),
        ({"bits": (1,)}, "bits must be a whole number from 2 to 16"),
        ({"methods": {"nonsense": {}}}, "nonsense"),
        ({"spec": RunSpec(**SMALL, scenario="worst-case")}, "class or random"),
    ],
)
def test_a_plan_is_checked_before_anything_is_computed(changes, message):
    with pytest.raises(InputError, match=message):
        study.Plan(**{"spec": RunSpec(**SMALL), "methods": METHODS} | changes)


def test_its_records_hold_the_versions_of_every_method():
    touched = study.units_of_traces(RunSpec(**SMALL).effective, ["rl", "scrub"])
    assert {"study/traces", "method/rl", "method/scrub", "scenario/class"} <= set(touched)
    assert "method/ft" not in touched


def test_a_method_that_diverges_has_no_network_and_is_named(tmp_path):
    spec = RunSpec(**SMALL, scenario="class", method="original")
    wild = {"ft": {"epochs": 1, "lr": 1e30}, "ga": {"epochs": 1, "lr": 1e-4}}
    lost: dict[str, str] = {}
    task = prepare(spec, cache=Cache(tmp_path))
    found = [name for name, _ in study.networks(study.Plan(spec, wild), task, lost)]
    assert found[-1] == "ga" and "ft" not in found
    assert list(lost) == ["ft"] and "lr 1e+30" in lost["ft"]
