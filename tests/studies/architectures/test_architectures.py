"""Where masks sit in networks, and the tables of the study of architectures."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import nn

import salun_utils as su
from salun_utils.errors import InputError
from salun_utils.models import FROM_TIMM, NAMES, count_weights, create
from salun_utils.saliency import SaliencyMask
from salun_utils.studies.architectures import (
    KINDS,
    anatomy,
    by_depth,
    by_kind,
    depths,
    idle,
    kinds,
    measure,
    study,
    tables,
    unevenness,
)
from salun_utils.studies.architectures import pictures as plots

matplotlib.use("Agg")
GRIDS = Path(__file__).parents[3] / "benchmark" / "grids"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def network(arch, width=0.25):
    if arch in FROM_TIMM:
        pytest.importorskip("timm")
    return create(arch, num_classes=10, channels=1, image_size=28, width=width)


# -- anatomy ---------------------------------------------------------------------------


@pytest.mark.parametrize("arch", NAMES)
def test_every_parameter_of_every_network_has_a_kind_and_a_depth(arch):
    model = network(arch)
    found, deep = kinds(model), depths(model)
    names = [n for n, _ in model.named_parameters()]
    assert list(found) == names == list(deep)
    assert set(found.values()) <= set(KINDS) and {"stem", "normalisation", "classifier"} <= set(
        found.values()
    )
    assert (
        min(deep.values()) == 0
        and max(deep.values()) == 1
        and list(deep.values()) == sorted(deep.values())
    )
    assert deep[next(n for n in names if found[n] == "classifier")] == 1
    last = sum(kind == "classifier" for kind in found.values())
    assert last == (1 if arch == "speednet" else 2)  # its weights and its biases; one has none


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        (
            "vit_tiny",
            {
                "cls_token": "positions and scales",
                "pos_embed": "positions and scales",
                "patch_embed.proj.weight": "stem",
                "blocks.0.attn.qkv.bias": "queries and keys",
                "blocks.5.attn.proj.weight": "attention output",
                "blocks.0.mlp.fc1.weight": "MLP over channels",
                "blocks.0.norm1.bias": "normalisation",
                "head.bias": "classifier",
            },
        ),
        (
            "swin_t",
            {
                "layers.0.blocks.0.attn.relative_position_bias_table": "positions and scales",
                "layers.1.downsample.reduction.weight": "downsampling",
                "layers.1.downsample.norm.weight": "normalisation",
            },
        ),
        (
            "mixer_s",
            {
                "blocks.0.mlp_tokens.fc1.weight": "MLP over patches",
                "blocks.0.mlp_channels.fc2.bias": "MLP over channels",
            },
        ),
        (
            "convnext_atto",
            {
                "stages.0.blocks.0.gamma": "positions and scales",
                "stages.0.blocks.0.conv_dw.weight": "depthwise convolution",
                "stages.0.blocks.0.mlp.fc1.weight": "MLP over channels",
                "stages.1.downsample.1.weight": "downsampling",
            },
        ),
        (
            "efficientnet_b0",
            {
                "blocks.0.0.se.conv_reduce.weight": "squeeze and excitation",
                "conv_head.weight": "1×1 convolution",
                "blocks.0.0.conv_dw.weight": "depthwise convolution",
                "bn2.weight": "normalisation",
            },
        ),
        (
            "resnet50",
            {
                "conv1.weight": "stem",
                "layer1.0.conv1.weight": "1×1 convolution",
                "layer1.0.conv2.weight": "convolution",
                "layer2.0.downsample.0.weight": "downsampling",
                "layer2.0.downsample.1.weight": "normalisation",
            },
        ),
    ],
)
def test_kinds_are_what_the_layers_are(arch, expected):
    found = kinds(network(arch, 0.125 if arch in ("resnet50", "mixer_s") else 0.25))
    assert {name: found[name] for name in expected} == expected


def test_a_layer_of_an_unknown_type_is_refused_by_name():
    model = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 2))
    with pytest.raises(InputError, match=r"0\.weight: where a Embedding belongs"):
        kinds(model)


def test_queries_and_keys_are_told_from_values():
    model = network("vit_tiny")
    bools = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in model.named_parameters()}
    # 3 heads of 16: rows 0-47 queries, 48-95 keys, 96-143 values
    bools["blocks.2.attn.qkv.weight"][2 * 48 :] = True
    table = anatomy(model, SaliencyMask.from_bools(bools)).set_index("parameter")
    assert table.loc["blocks.2.attn.qkv.weight", ["kind", "weights", "kept"]].tolist() == [
        "queries and keys",
        96 * 48,
        0,
    ]
    assert table.loc["blocks.2.attn.qkv.weight [values]", ["kind", "weights", "kept"]].tolist() == [
        "values",
        48 * 48,
        48 * 48,
    ]
    shares = by_kind(table.reset_index()).share
    assert (
        shares["values"] == pytest.approx(48 * 48 / (6 * (48 * 48 + 48)))
        and shares.drop("values").sum() == 0
    )


def test_the_parts_add_up_to_the_mask():
    model = network("resnet18", 0.125)
    mask = SaliencyMask.random(dict(model.named_parameters()), 0.3, seed=1)
    table = anatomy(model, mask)
    assert (table.weights.sum(), table.kept.sum()) == (count_weights(model), mask.kept)
    rows = by_kind(table)
    assert (rows.weights.sum(), rows.kept.sum()) == (
        count_weights(model),
        mask.kept,
    ) and rows.part.sum() == pytest.approx(1)
    assert list(rows.index) == [k for k in KINDS if k in rows.index]
    assert by_depth(table).mean() == pytest.approx(mask.density) and by_depth(
        table, 7
    ).mean() == pytest.approx(mask.density)
    with pytest.raises(InputError, match="the mask doesn't fit"):
        anatomy(network("resnet18", 0.25), mask)


def test_tenths_and_unevenness_by_hand():
    table = pd.DataFrame({"depth": [1.0, 0.0], "weights": [30, 10], "kept": [0, 10]})
    table = table.assign(share=table.kept / table.weights)
    # first to last: 10 weights all kept, 30 none; quarters of 10
    assert by_depth(table, 4).tolist() == [1, 0, 0, 0]
    assert by_depth(table, 2).tolist() == [0.5, 0]
    assert by_depth(table, 8).tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert unevenness(table) == pytest.approx((0.25 * 0.75**2 + 0.75 * 0.25**2) ** 0.5)
    even = table.assign(kept=[15, 5], share=0.5)
    assert unevenness(even) == 0
    assert unevenness(
        table.assign(weights=[20, 20], kept=[0, 20], share=[0.0, 1.0])
    ) == pytest.approx(0.5)


def test_idle_weights_by_hand():
    found = idle({"a": torch.tensor([0.0, 1e-7, 2e-5, 2.0]), "b": torch.ones(3)})  # median 1
    assert found == {"a": 2, "b": 0}


def test_a_bias_of_keys_and_one_that_the_normalisation_removes_are_idle():
    for arch, name, rows in (
        ("vit_tiny", "blocks.3.attn.qkv.bias", slice(48, 96)),
        ("mixer_s", "blocks.2.mlp_tokens.fc2.bias", slice(None)),
    ):
        model = network(arch)
        torch.nn.init.normal_(model.head.weight)  # the mixer's starts at zero, and passes nothing
        generator = torch.Generator().manual_seed(0)
        batch = (torch.rand(8, 1, 28, 28, generator=generator), torch.arange(8))
        scores = su.saliency.saliency_scores(model, [batch])
        assert idle({n: s[rows] if n == name else s for n, s in scores.items()})[name] == len(
            scores[name][rows]
        )


# -- the study -------------------------------------------------------------------------


def made_up(gaps):
    """Rows of a study: (network, variant, seed, lr, average gap)."""
    rows = pd.DataFrame(gaps, columns=["network", "variant", "seed", "lr", "avg_gap"])
    zeros = {f"gap_{m}": 0.0 for m in study.MEASURES} | {"cost": 0.1, "scenario": "random-10"}
    return rows.assign(pilot=rows.seed == study.PILOT, **zeros)


GAPS = made_up(
    [
        ("A", "original", 99, np.nan, 9.0),
        ("A", "RL", 99, 0.1, 2.0),
        ("A", "RL", 99, 0.3, 3.0),
        ("A", "RL", 99, 0.01, np.nan),
        ("A", "SalUn", 99, 0.01, 5.0),
        ("A", "SalUn", 99, 0.1, 4.0),
        ("A", "SalUn", 99, 0.3, 1.0),
        ("A", "original", 1, np.nan, 8.0),
        ("A", "RL", 1, 0.1, 2.5),
        ("A", "RL", 1, 0.3, 0.1),
        ("A", "SalUn", 1, 0.3, 1.5),
        ("A", "RL", 2, 0.1, 3.5),
        ("A", "SalUn", 2, 0.3, 1.0),
        ("A", "RL", 3, 0.1, 3.0),
        ("A", "SalUn", 3, 0.3, 4.0),
        ("B", "RL", 1, 0.1, 0.2),
    ]
)


def test_the_rate_is_chosen_on_the_pilot_seed_alone():
    chosen = study.choices(GAPS).loc["random-10", "A"]
    assert chosen.lr.to_dict() == {"RL": 0.1, "SalUn": 0.3}
    assert chosen.tried.to_dict() == {"RL": 3, "SalUn": 3} and chosen.edge.to_dict() == {
        "RL": "",
        "SalUn": "highest",
    }
    kept = study.reported(GAPS)
    assert not kept.pilot.any() and set(kept.network) == {"A"}, (
        "without a pilot nothing is reported"
    )
    assert kept[kept.variant == "RL"].avg_gap.tolist() == [
        2.5,
        3.5,
        3.0,
    ], "the better rate on seed 1 was not chosen"
    assert kept[kept.variant == "original"].avg_gap.tolist() == [8.0]


def test_means_by_hand():
    kept = study.reported(GAPS)
    means = study.means(kept)
    assert means.loc[("A", "RL"), ["seeds", "avg_gap"]].tolist() == [3, 3.0]
    assert means.avg_gap_low[("A", "RL")] == 2.5 and means.avg_gap_high[("A", "RL")] == 3.5
    with pytest.raises(InputError, match="can't be averaged"):
        study.means(pd.concat([kept, kept.assign(scenario="class-3")]))


def test_without_records_everything_is_empty():
    rows = study.rows_of([])
    assert (
        not len(study.choices(rows))
        and not len(study.reported(rows))
        and not len(study.means(study.reported(rows)))
    )
    assert (
        not len(tables.networks_of(study.reported(rows)))
        and not len(tables.sites([]))
        and not len(measure.tables_of([]))
    )


def test_a_narrow_network_is_named_as_such():
    assert (
        study.label("vit_tiny") == "ViT-Tiny"
        and study.label("mixer_s", 0.125) == "MLP-Mixer-S ×0.125"
    )
    assert set(study.LABELS) == set(NAMES)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    cache = su.runs.Cache(tmp_path_factory.mktemp("cache"))
    small = dict(
        dataset="fashion-mini",
        train_images=400,
        train_epochs=1,
        scenario="random",
        arch="small-cnn",
        width=0.5,
    )
    same = {"epochs": 1, "batch_size": 64}
    sweep = json.dumps(
        [
            {"method": "original"},
            {"method": "rl", "lr": [0.01, 0.1], **same},
            {"method": "salun", "lr": [0.01, 0.1], "mask": "saliency", **same},
            {"method": "salun", "lr": 0.1, "mask": "random", **same},
        ]
    )
    return [
        r
        for seed in (99, 1)
        for r in su.runs.run_all(su.runs.expand(sweep, seed=seed, **small), cache=cache)
    ]


def test_records_become_rows(swept):
    rows = study.rows_of(swept)
    assert (
        set(rows.network) == {"small CNN ×0.5"}
        and rows.variant.nunique() == 4
        and rows.pilot.sum() == len(rows) / 2
    )
    first = swept[0]
    same = rows[(rows.seed == 99) & (rows.variant == "original")].iloc[0]
    assert (same.original_ta, same.retrain_ua, same.avg_gap) == (
        first.original["ta"],
        first.reference["ua"],
        first.gap["average"],
    )
    kept = study.reported(rows)
    assert len(kept) == 4 and set(kept.seed) == {1}
    facts = tables.networks_of(kept).iloc[0]
    model = create("small-cnn", num_classes=10, channels=1, image_size=28, width=0.5)
    assert facts.weights == count_weights(model) / 1000 and facts.epochs == 1


# -- recorded masks --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ("resnet18", "must be a JSON list"),
        ("[]", "must be a JSON list"),
        ('[{"width": 1}]', "must be a JSON list"),
        ('[{"arch": "small-cnn", "seed": 3}]', "unknown setting of a network 'seed'"),
        ('[{"arch": "small_cnn"}]', "small-cnn"),
        ('[{"arch": "small-cnn", "width": -1}]', "width"),
    ],
)
def test_faulty_lists_of_networks_are_refused(networks, said):
    with pytest.raises(InputError, match=said):
        measure.specs(networks, seed=1)


def test_a_record_of_masks_holds_what_the_masks_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SALUN_CACHE", str(tmp_path))
    given = dict(
        dataset="fashion-mini", train_images=400, train_epochs=1, seed=2, keep=0.25, forget_class=3
    )
    specs = measure.specs(
        '[{"arch": "small-cnn"}, {"arch": "small-cnn", "width": 0.5, "train_lr": 0.1}]', **given
    )
    record = measure.measure(specs)
    assert (
        record == type(record).model_validate_json(record.model_dump_json()) and not record.scores
    )
    rows = measure.tables_of([record])
    assert set(rows.scenario) == {"random-10", "class-3"} and set(rows.network) == {
        "small CNN",
        "small CNN ×0.5",
    }
    task = su.runs.prepare(specs[1].model_copy(update={"scenario": "class"}))
    mask = su.unlearning.build_mask("saliency", task.original, task.split, keep=0.25, seed=0)
    mine = rows[(rows.scenario == "class-3") & (rows.network == "small CNN ×0.5")].reset_index(
        drop=True
    )
    pd.testing.assert_frame_equal(
        mine[["parameter", "weights", "kept", "kind"]],
        anatomy(task.original, mask)[["parameter", "weights", "kept", "kind"]],
    )
    seen = tables.sites([record])
    assert (
        len(seen) == 4
        and seen.retain.between(0, 1).all()
        and seen.unevenness.between(0, 0.5).all()
        and (seen.seeds == 1).all()
    )
    assert (
        record.measurements["masks"][0]["original"]
        == su.runs.prepare(
            specs[0].model_copy(update={"scenario": "random"})
        ).original_scores.to_dict()
    )


# -- grids and pictures ----------------------------------------------------------------


def test_the_grid_treats_all_methods_of_a_network_alike():
    blocks = yaml.safe_load((GRIDS / "ablation-architectures.yaml").read_text())["blocks"]
    pilots = [b["fixed"] for b in blocks if b["product"]["seed"] == [study.PILOT]]
    assert len({b["arch"] for b in pilots if b["scenario"] == "random"}) == 8
    for block in pilots:
        sweep = json.loads(block["sweep"])
        rates = {(b["method"], b.get("mask")): b["lr"] for b in sweep if "lr" in b}
        full = rates.pop(("ft", None))
        assert (
            all(lr == full for (method, _), lr in rates.items() if method != "ga")
            and len(rates) == 4
        )
        assert len(full) == len(rates["ga", None]) == 4
        assert np.allclose(full, np.array([0.2, 0.6, 1.8, 5.4]) * block["train_lr"], rtol=0.04)
        assert np.allclose(rates["ga", None], np.array(full) / 10, rtol=0.04)
        assert {b["epochs"] for b in sweep if b["method"] in ("ft", "rl", "salun")} == {2}


def a_table(arch="vit_tiny"):
    model = network(arch)
    return anatomy(model, SaliencyMask.random(dict(model.named_parameters()), 0.5, seed=3))


def test_pictures_of_masks():
    found = {"ViT": a_table(), "ResNet": a_table("resnet18")}
    figure, alt = plots.bars_by_kind(found)
    assert [a.get_title() for a in figure.axes] == ["ViT", "ResNet"] and "ViT: most in" in alt
    bars = [bar.get_width() for bar in figure.axes[0].patches if bar.get_width()]
    assert len(bars) == len(by_kind(found["ViT"]))
    figure, alt = plots.kinds_of(found)
    cells = [t.get_text() for t in figure.axes[0].texts]
    assert len(cells) == sum(len(by_kind(t)) for t in found.values()) and all(
        0 <= int(c) <= 100 for c in cells
    )
    figure, _ = plots.tenths(found)
    assert len(figure.axes[0].texts) == 20


def test_pictures_of_methods():
    kept = study.reported(GAPS)
    figure, alt = plots.gaps(study.means(kept))
    assert "A: SalUn" in alt and figure.axes[0].get_xscale() == "log"
    figure, alt = plots.rates(GAPS[GAPS.pilot])
    assert [a.get_title() for a in figure.axes if a.get_title()] == ["A"]


def test_tables_without_records_have_the_same_levels():
    rows = study.rows_of([])
    assert list(study.choices(rows).index.names) == ["scenario", "network", "variant"]
    assert len(study.choices(rows)) == len(study.reported(rows)) == len(study.means(rows)) == 0
