"""Erasers of GANs and VAEs: runs of a page on the canaries' toys, and records made up."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from salun_utils.generation.canaries import trials as toys
from salun_utils.studies.erasing import latent, pictures, recorded
from salun_utils.studies.erasing import latent_recorded as on_record


@pytest.fixture(scope="module", params=["gan", "vae"])
def one(request, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SALUN_CACHE", str(tmp_path_factory.mktemp("cache")))
    with toys.folder(request.param) as named:
        shared = dict(concept=1, per_class=2, concept_samples=4, seed=0, keep=0.5)
        plan = {"eraser": "salun", "keep": 0.5, "params": {"steps": 2, "batch": 4}}
        made = latent.Latent.of(shared | named, {"SalUn": plan})
        made.__dict__["scene"] = toys.scene(request.param)
        made.runs  # noqa: B018
        yield made
    patch.undo()


def test_the_target_differs_from_the_original_in_the_erased_class_alone(one):
    before, target = one.drawings()["original"], one.target()
    own = one.labels == one.label
    assert torch.equal(before[~own], target[~own])
    assert not torch.equal(before[own], target[own])
    assert one.substitute == (one.label + 1) % len(one.model.classes)


def test_ten_codes_end_with_the_target_and_have_a_variety(one):
    ten = one.ten(3)
    assert list(ten) == ["original", "SalUn", "target"] and len(ten["target"]) == 3
    spread = one.variety()
    assert list(spread) == list(ten) and all(v >= 0 for v in spread.values())
    own = (one.labels == one.label).nonzero().flatten()
    assert spread["target"] == pytest.approx(float(one.target()[own].double().std(0).mean()))


def test_shares_of_layers_are_those_of_the_mask(one):
    shares, layers = one.layer_shares(), one.mask.per_layer()
    named = layers.parameter.str.rsplit(".", n=1).str[0]
    weights = layers.groupby(named, sort=False).weights.sum().rename(index=latent.LAYERS)
    kept = (shares / 100 * weights.loc[shares.index]).sum()
    assert kept == pytest.approx(one.mask.kept, rel=1e-6)


def test_weights_of_other_classes_have_no_gradient(one):
    for own, others in one.own_weights().values():
        assert others < own
    assert 0 < one.overlap((one.label + 1) % len(one.model.classes)) <= 100


def test_tables_of_both(one):
    kinds = {one.model.kind.upper(): one}
    assert "weights that draw" in latent.models_table(kinds).text
    assert len(latent.own_table(kinds).text.splitlines()) == 1 + len(one.own_weights())
    assert latent.variety_table(kinds).text.splitlines()[-1].startswith("target")
    figure, alt = pictures.layer_bars({"x": one.layer_shares()}, kept=50)
    assert len(figure.axes) == 1 and "50 of all" in alt
    assert len(pictures.losses_beside({"x": one.runs["SalUn"].erased.losses}).axes) == 1


#            ua    change  fid   runs
PLAN = {
    "SalUn": (99.0, -1.0, 0.1, 8),
    "RL (no mask)": (99.0, -0.2, 0.3, 8),
    "GA": (80.0, -20.0, 3.0, 8),
    "SalUn, random mask": (99.0, 0.0, 0.0, 3),
}


def part(sign: float = 1.0) -> pd.DataFrame:
    rest = ("fid", "others", "recall", "precision", "seconds", "word", "noise")
    rows = [
        dict.fromkeys(rest, 1.0)
        | {"name": name, "concept": concept, "seed": seed, "ua": ua, "cpu_seconds": 7.0}
        | {"change": sign * change + 0.01 * seed, "fid_change": fid}
        for name, (ua, change, fid, runs) in PLAN.items()
        for concept, seed in [(c, s) for c in ("Bag", "Coat") for s in range(4)][:runs]
    ]
    return pd.DataFrame(rows)


def test_an_eraser_with_missing_runs_is_named_and_left_out():
    every = {"GAN": part()}
    assert "SalUn, random mask" not in set(on_record.complete(every["GAN"]).name)
    assert on_record.missing(every) == (
        "Left out, too few runs: GAN (of 8): SalUn, random mask 3; GAN: Retrain 0."
    )
    assert on_record.complete(part().iloc[:0]).empty


def test_the_answer_says_both_figures_and_the_verdict():
    first, second = on_record.answer({"GAN": part(), "VAE": part(-1.0)}).sentences
    assert "in 99.0 % of pictures after 7 seconds" in first
    assert "GAN −0.8 points (worse), VAE +0.8 points (better)" in second
    assert on_record.answer({"GAN": part().iloc[:0]}).sentences[0].startswith("There are no")


def test_claims_are_those_of_the_table():
    every = {"GAN": part(), "VAE": part(-1.0)}
    said = {c.text: c.mark for c in on_record.claims(every, {"GAN": 70.0, "VAE": 60.0}, kept=50)}
    assert said["GAN: SalUn spares the others more than no mask"] == "FAILS"
    assert said["VAE: SalUn spares the others more than no mask"] == "holds"
    assert said["Masks of two classes share more than random ones, 50 % (this run)"] == "holds"
    assert said["GAN: SalUn forgets more than no mask"] == "open" and len(said) == 8
    text = on_record.no_mask_table(every).text
    assert "−0.80" in text and "worse" in text and "better" in text
    assert on_record.claims({}, {}, kept=50)[0].mark == "open"


def test_a_loss_beyond_the_edge_is_an_arrow():
    whole = {"GAN": recorded.summarise(on_record.complete(part()))}
    figure, alt = pictures.spared(whole)
    assert "GA -20.0" in alt and [t.get_text() for t in figure.axes[0].texts] == ["-20"]
