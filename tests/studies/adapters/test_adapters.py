"""What the chapter on adapters rests on, on networks that have learned next to nothing."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from salun_utils.errors import InputError
from salun_utils.studies.adapters import by_name, live, network, pictures, tables, words, zero_shot

pytest.importorskip("timm")
NAMES = {
    "dataset": "fashion-mini",
    "concept": "Dress",
    "base_images": 300,
    "adapter_images": 300,
    "base_epochs": 1,
    "adapter_epochs": 1,
    "named_images": 300,
    "named_epochs": 1,
    "rank": 2,
    "keep": 0.5,
    "epochs": 1,
    "lr": 0.01,
    "lr_whole": 0.01,
    "named_lr": 0.01,
    "batch_size": 128,
    "seed": 0,
    "seeds": 2,
}


@pytest.fixture(scope="module")
def here() -> live.Adapted:
    return live.Adapted.of(NAMES)


@pytest.fixture(scope="module")
def named() -> by_name.Named:
    return by_name.Named.of(NAMES)


def test_every_class_is_of_one_kind_and_strangers_are_told(fashion):
    assert network.kinds_of(fashion.classes).tolist() == [0, 1, 0, 1, 0, 2, 0, 2, 3, 2]
    with pytest.raises(InputError, match="Hat belongs to no kind of clothing: upper body, long"):
        network.kinds_of(["Hat"])


def test_adapter_and_network_share_no_picture(fashion):
    images, data = network.parts(fashion, 50, 70)
    assert len(images) == 50 and len(data.train) == 70
    assert torch.equal(data.train.pixels, fashion.train.pixels[50:120])
    with pytest.raises(InputError, match="must be above 0 and at most 10000 together"):
        network.parts(fashion, 9000, 1001)


def test_the_features_are_what_the_last_layer_sees(here):
    model, images = here.first.original, here.first.split.test.subset(range(7))
    x = torch.cat([x for x, *_ in images.batches(7)])
    with torch.no_grad():
        assert torch.allclose(model.head(network.features(model, images)), model(x), atol=1e-5)


def test_all_ways_but_one_leave_the_frozen_network_bit_identical(here):
    before = dict(here.base.named_parameters())
    for (way, seed), result in here.results.items():
        same = [
            torch.equal(p, before[n.replace(".base.", ".")])
            for n, p in result.model.named_parameters()
            if "lora_" not in n and not n.startswith("head")
        ]
        assert len(same) == len(before) - 2  # the last layer is another
        assert all(same) is (way != live.WHOLE), (way, seed)


def test_rows_have_every_model_and_seed_and_retrain_is_its_own_yardstick(here):
    rows = here.rows
    assert len(rows) == 2 * (len(live.WAYS) + 2) and set(rows.seed) == {0, 1}
    assert (rows.gap[rows.model == "Retrain"] == 0).all()
    shown = str(tables.run_table(here))
    assert all(name in shown for name in live.WAYS) and "Means over 2 seeds" in shown


def test_what_is_left_inside_is_asked_of_each_model(here):
    inside = here.inside.set_index("model")
    assert inside.probe.between(0, 100).all() and "Retrain, network too" in inside.index
    assert pd.isna(inside.UA["frozen network alone"])
    assert "of 200 test pictures" in str(tables.inside_table(here)).lower()


def test_a_network_that_never_saw_the_class_was_shown_every_other_picture(here):
    label, images = here.label, here.images
    rest = images.subset((images.labels != label).nonzero().flatten())
    again = network.pretrained(here.data, rest, epochs=1, seed=0)
    for a, b in zip(here.unseen.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_parts_of_the_mask_add_up(here):
    found = tables.parts_of(here.mask)
    assert found.weights.sum() == here.mask.numel and found.kept.sum() == here.mask.kept
    assert set(found.layer) == set(tables.LAYERS.values()) and set(found.matrix) == {"A", "B", ""}
    _, alt = pictures.share_bars(found, 0.5, within="the adapter")
    assert "attention, in, A" in alt


def test_so_few_seeds_decide_nothing_and_the_page_says_so(here):
    marks = {claim.text: claim.mark for claim in tables.claims(here)}
    assert [mark for text, mark in marks.items() if "nearer" in text] == ["too few"] * 3
    assert "means of 2 seeds" in str(tables.answer(here))


def test_weights_are_counted(here):
    shown = str(tables.weights_table(here.first.original))
    assert "9,706" not in shown and f"{here.mask.numel - 490:,}" in shown


def test_a_picture_of_the_seeds_says_the_means(here):
    _, alt = pictures.by_seed(here.rows)
    assert "Mean UA: original" in alt and "Retrain 1" in alt


def test_bags_are_shares_of_the_words_that_there_are():
    bag = words.bags(["a photo of a dress", "dress", "nothing known"])
    assert bag[0, words.VOCABULARY["a"]] == pytest.approx(2 / 5)
    assert bag[1, words.VOCABULARY["dress"]] == 1
    assert not bag[2].any()


def test_every_word_has_a_place_of_its_own_and_the_held_out_sentence_is_in_no_caption():
    every = [name for names in words.NAMES.values() for name in names]
    assert len(every) == len(set(every)) and len(words.VOCABULARY) == len(every) + len(words.WORDS)
    assert words.HELD_OUT not in words.TEMPLATES
    assert set(words.HELD_OUT.split()) - {"{}"} <= set(words.WORDS)
    with pytest.raises(InputError, match="there are no captions for Hat"):
        words.names_of(["Hat"])


def test_logits_follow_the_prompts(fashion):
    model = zero_shot.ZeroShot(fashion, seed=0).eval()
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    prompts = zero_shot.usual(fashion.classes)
    swapped = [prompts[1], prompts[0], *prompts[2:]]
    with torch.no_grad():
        before, after = model(x), zero_shot.asked(model, swapped)(x)
        assert torch.equal(model(x), before), "a copy was asked"
    assert torch.equal(after[:, [1, 0, *range(2, 10)]], before)
    assert before.abs().max() <= 10 + 1e-3  # a cosine, times the scale at the start
    with pytest.raises(InputError, match="there must be 10 prompts, not 2"):
        model.ask(["a", "b"])


class Always(torch.nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, _bag):
        return self.answer


def test_the_loss_counts_every_caption_of_the_class_as_right(fashion):
    """Pictures that lie on their captions, two of one class: by hand."""
    model = zero_shot.ZeroShot(fashion, seed=0)
    x = torch.eye(2)[[0, 0, 1]]
    model.image, model.text = torch.nn.Identity(), Always(x)
    y = torch.tensor([0, 0, 1])
    with torch.no_grad():
        model.log_scale.zero_()
        found = zero_shot.contrastive(model, (x, y))
    e = torch.tensor(1.0).exp()
    pair, single = torch.log(2 * e + 1) - 1, torch.log(e + 2) - 1
    assert found == pytest.approx(float((2 * pair + single) / 3), abs=1e-6)


def test_unlearning_takes_it_as_a_classifier_and_each_tower_can_be_held(named):
    original = dict(named.original.named_parameters())
    for way, held in (("text tower alone", "image."), ("image tower alone", "text.")):
        moved = dict(named.models[way].named_parameters())
        assert all(torch.equal(moved[n], p) for n, p in original.items() if n.startswith(held))
        assert any(not torch.equal(moved[n], p) for n, p in original.items())
    rows = named.rows.set_index("model")
    assert rows.loc["text tower alone", "probe"] == rows.loc["original", "probe"]


def test_prompts_are_the_usual_one_a_sentence_held_out_and_the_other_names(named):
    assert list(named.prompts) == [
        "a photo of a dress",
        "a picture of a dress",
        "a photo of a gown",
        "a photo of a frock",
    ]
    changed = [
        sum(a != b for a, b in zip(prompts, named.prompts["a photo of a dress"], strict=True))
        for prompts in named.prompts.values()
    ]
    assert changed == [0, 10, 1, 1]


def test_towers_add_up_and_pictures_and_claims_say_what_there_is(named):
    found = by_name.towers_of(named.mask)
    assert found.weights.sum() == named.mask.numel and found.kept.sum() == named.mask.kept
    _, alt = pictures.named_so(named.rows, list(named.prompts))
    assert "SalUn at most" in alt
    assert all("one seed" in claim.text for claim in by_name.claims(named))
    assert "a photo of a gown" in str(by_name.words_table(named))
