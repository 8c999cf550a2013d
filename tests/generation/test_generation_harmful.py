"""The tools of the protocol for harmful content, on harmless pictures: drawing, detector, blurring,
CLIP scores.
"""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers")

from salun_utils.errors import InputError
from salun_utils.generation.measures import harmful
from salun_utils.generation.models import clip, mini_sd, pipelines
from salun_utils.generation.prompts import Prompt


@pytest.fixture(scope="module")
def pipe():
    return mini_sd.build(
        ["Circle", "Square"], widths=(16, 32), vae_widths=(8, 16, 16), text_width=32
    )


def test_pictures_depend_on_their_own_line_only(pipe):
    prompts = [
        Prompt(i, "a photo of a circle", seed=i, guidance=g)
        for i, g in ((1, 3.0), (2, 1.0), (3, 3.0))
    ]
    together = harmful.draw(pipe, prompts, steps=2)
    alone = torch.cat([harmful.draw(pipe, [p], steps=2) for p in prompts])
    assert (together.int() - alone.int()).abs().max() <= 1
    assert not torch.equal(together[0], together[2])
    with pytest.raises(InputError, match="no prompt"):
        harmful.draw(pipe, [])


def test_blurring_leaves_no_detail():
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    out = harmful.blurred(stripes, blocks=8)
    # the stripes are gone, the mean brightness stays
    assert out.shape == stripes.shape and (out.float() - 127.5).abs().max() <= 1
    assert (
        harmful.blurred(torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8))
        .float()
        .diff(dim=-1)
        .abs()
        .max()
        < 64
    )


def test_the_protocol_draws_its_own_two_sets(pipe):
    data = harmful.drawn_by_itself(pipe, ["circle", "square"], per_class=3, steps=1)
    assert len(data.train) == 6 and data.classes == ["circle", "square"]
    again = pipelines.sample(pipe, ["a photo of a square"] * 3, steps=1)
    assert torch.equal(data.train.subset([3, 4, 5]).pixels, again)


@pytest.mark.parametrize("threshold", [0.1, 1.5, float("nan"), True])
def test_thresholds_the_detector_cannot_keep_are_refused(threshold):
    with pytest.raises(InputError, match="threshold"):
        harmful.BodyParts(threshold)


def test_the_detector_finds_nothing_in_harmless_pictures():
    pytest.importorskip("nudenet")
    detector = harmful.BodyParts(0.5)
    draws = torch.Generator().manual_seed(0)
    table = detector.count(
        torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=draws)
    )
    assert table.part.tolist() == [*harmful.EXPOSED, "any"]
    assert (table.seen == 0).all() and (table.of == 3).all() and (table.threshold == 0.5).all()
    with pytest.raises(InputError, match="uint8"):
        detector.seen(torch.rand(1, 3, 32, 32))
    with pytest.raises(InputError, match="colour"):
        detector.seen(torch.zeros(1, 1, 32, 32, dtype=torch.uint8))


def test_the_detector_is_awake():
    """A portrait in uniform: a face is found, and nothing exposed."""
    pytest.importorskip("nudenet")
    import matplotlib.cbook
    import matplotlib.image

    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        portrait = torch.from_numpy(matplotlib.image.imread(stream, format="jpg").copy()).permute(
            2, 0, 1
        )[None]
    parts = (*harmful.EXPOSED, "FACE_FEMALE", "FACE_MALE")
    seen = dict(zip(parts, harmful.BodyParts(0.5, parts).seen(portrait)[0].tolist(), strict=True))
    assert seen["FACE_FEMALE"] + seen["FACE_MALE"] == 1
    assert not any(seen[part] for part in harmful.EXPOSED)


def test_the_parts_are_those_that_the_detector_knows():
    nudenet = pytest.importorskip("nudenet.nudenet")
    assert sorted(harmful.EXPOSED + harmful.OTHER) == sorted(vars(nudenet)["__labels"])
    with pytest.raises(
        InputError, match="unknown body part 'FEET_EXPOSE'; did you mean 'FEET_EXPOSED'"
    ):
        harmful.BodyParts(parts=["FEET_EXPOSE"])


def test_counting_uses_the_threshold_and_the_parts(monkeypatch):
    pytest.importorskip("nudenet")
    detector = harmful.BodyParts(0.6)
    answers = iter(
        [
            [
                {"class": "BELLY_EXPOSED", "score": 0.7},
                {"class": "BELLY_EXPOSED", "score": 0.61},
                {"class": "FEET_EXPOSED", "score": 0.59},
            ],
            [{"class": "FACE_FEMALE", "score": 0.9}],
        ]
    )
    monkeypatch.setattr(detector._detector, "detect", lambda picture: next(answers))
    seen = detector.seen(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    assert seen.sum(0).tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0] and seen[1].sum() == 0
    table = detector.tally(seen).set_index("part")
    assert table.loc["BELLY_EXPOSED", ["seen", "pictures"]].tolist() == [2, 1]
    assert table.loc["FEET_EXPOSED", "seen"] == 0
    assert table.loc["any", ["seen", "pictures"]].tolist() == [2, 1]


def test_what_is_shown_is_blurred_where_the_detector_sees_anything(monkeypatch):
    pytest.importorskip("nudenet")
    pixels = torch.randint(
        0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(harmful.showable(pixels, concept=True), harmful.blurred(pixels))
    assert torch.equal(harmful.showable(pixels, concept=False), pixels)
    asked, seen = [], torch.tensor([[0, 0], [0, 2], [0, 0]], dtype=torch.int16)
    monkeypatch.setattr(
        harmful.BodyParts, "seen", lambda self, pictures: asked.append(self.threshold) or seen
    )
    shown = harmful.showable(pixels, concept=False)
    assert torch.equal(shown[[0, 2]], pixels[[0, 2]]) and torch.equal(
        shown[1], harmful.blurred(pixels)[1]
    )
    assert asked == [harmful.FLOOR]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A CLIP model of the real classes with tiny random weights."""
    from transformers import CLIPConfig, CLIPImageProcessorFast, CLIPModel, CLIPProcessor

    tokenizer, folder = (
        mini_sd.build_tokenizer(["Circle", "Square"]),
        tmp_path_factory.mktemp("clip"),
    )
    last = len(tokenizer) - 1
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    ends = {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    text = {
        **sizes,
        **ends,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length,
    }
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=text,
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessorFast(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def test_clip_scores_are_a_hundred_cosines(clip_folder):
    from transformers import CLIPModel, CLIPProcessor

    pixels = torch.randint(
        0, 256, (3, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    words = ["a photo of a circle", "square", "a photo of a square"]
    model, processor = (
        CLIPModel.from_pretrained(clip_folder),
        CLIPProcessor.from_pretrained(clip_folder),
    )
    inputs = processor(text=words, images=list(pixels), return_tensors="pt", padding=True)
    with torch.no_grad():
        out = model(**inputs)
    expected = [
        100 * float(a @ b / a.norm() / b.norm())
        for a, b in zip(out.image_embeds, out.text_embeds, strict=True)
    ]
    found = clip.ClipScore(clip_folder)(pixels, words, batch_size=2)
    assert found.tolist() == pytest.approx(expected, abs=1e-3) and len(set(expected)) == 3
    with pytest.raises(InputError, match="as many prompts"):
        clip.ClipScore(clip_folder)(pixels, words[:2])


def test_a_missing_clip_model_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"CLIP model .* can't be read"):
        clip.ClipScore(tmp_path / "none")
