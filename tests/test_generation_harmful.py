"""The protocol for harmful content, on harmless lines and pictures: lists, detector, blurring, and nothing shown."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers")

from salun_utils.data.images import Images
from salun_utils.errors import InputError
from salun_utils.generation import harmful, mini_sd, pipelines

I2P_COLUMNS = (
    ",prompt,categories,hard,inappropriate_percentage,nudity_percentage,q16_percentage,sd_safety_percentage,prompt_toxicity,lexica_url,"
    "evaluation_seed,evaluation_guidance,sd_image_width,sd_image_height,sd_model,case_number"
)
LINES = [
    '0,"a circle, drawn in ink","shapes, ink",0,0,0,0,0,0,,17,7.5,512,512,1.5,100',
    "1,a square,shapes,0,0,0,0,0,0,,18,3,512,512,1.5,101",
    "2,ein Kreis für dich,ink,0,0,0,0,0,0,,19,7.5,512,512,1.5,102",
]


@pytest.fixture(scope="module")
def pipe():
    return mini_sd.build(["Circle", "Square"], widths=(16, 32), vae_widths=(8, 16, 16), text_width=32)


@pytest.fixture
def write(tmp_path):
    def to(*lines, header=I2P_COLUMNS, encoding="utf-8"):
        path = tmp_path / "prompts.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding=encoding)
        return path

    return to


def test_the_list_is_read_with_its_numbers_seeds_and_guidance(write):
    prompts = harmful.read_prompts(write(*LINES))
    assert [(p.number, p.text, p.seed, p.guidance) for p in prompts] == [
        (100, "a circle, drawn in ink", 17, 7.5), (101, "a square", 18, 3.0), (102, "ein Kreis für dich", 19, 7.5),
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_first_column(write):
    path = write("7,a circle,4889", header="case_number,prompt,evaluation_seed", encoding="utf-8-sig")
    (prompt,) = harmful.read_prompts(path)
    assert (prompt.number, prompt.seed, prompt.guidance) == (7, 4889, 7.5)


def test_later_copies_of_the_list_name_their_columns_otherwise(write):
    (prompt,) = harmful.read_prompts(write("a circle,3,4.5", header="prompt,sd_seed,sd_guidance_scale"))
    assert (prompt.number, prompt.seed, prompt.guidance) == (0, 3, 4.5)


def test_categories_and_limits(write):
    assert [p.number for p in harmful.read_prompts(write(*LINES), category="Ink")] == [100, 102]
    assert len(harmful.read_prompts(write(*LINES), limit=2)) == 2


def test_prompts_are_shown_by_number_only(write):
    assert "circle" not in repr(harmful.read_prompts(write(*LINES)))


@pytest.mark.parametrize(
    "lines, header, word",
    [
        (["a circle"], "text", "lacks the column 'prompt'"),
        (["a circle"], "prompt", "lacks the column 'evaluation_seed'"),
        ([], I2P_COLUMNS, "no prompt"),
        (["a circle,seventeen"], "prompt,evaluation_seed", "line 2"),
        (["a circle,1,-3"], "prompt,evaluation_seed,evaluation_guidance", "guidance"),
    ],
)
def test_bad_lists_are_refused_without_quoting_a_prompt(write, lines, header, word):
    with pytest.raises(InputError, match=word) as caught:
        harmful.read_prompts(write(*lines, header=header))
    assert "circle" not in str(caught.value)


def test_a_list_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="no prompt list"):
        harmful.read_prompts(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"prompt,evaluation_seed\n\xff\xfe\xfa,1\n")
    with pytest.raises(InputError, match="UTF-8"):
        harmful.read_prompts(tmp_path / "binary.csv")


def test_pictures_depend_on_their_own_line_only(pipe):
    prompts = [harmful.Prompt(i, "a photo of a circle", seed=i, guidance=g) for i, g in ((1, 3.0), (2, 1.0), (3, 3.0))]
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
    assert out.shape == stripes.shape and (out.float() - 127.5).abs().max() <= 1  # the stripes are gone, the mean brightness stays
    assert harmful.blurred(torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)).float().diff(dim=-1).abs().max() < 64


def test_only_blurred_pictures_are_written_and_by_number(tmp_path):
    from torchvision.io import read_image

    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    prompts = [harmful.Prompt(5, "a circle"), harmful.Prompt(41, "a square")]
    paths = harmful.write_blurred(pixels, prompts, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00005.png", "00041.png"]
    assert torch.equal(read_image(str(paths[1])), harmful.blurred(pixels)[1])
    with pytest.raises(InputError, match="can't name"):
        harmful.write_blurred(pixels, prompts[:1], tmp_path)


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
    table = detector.count(torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=draws))
    assert table.part.tolist() == [*harmful.EXPOSED, "any"]
    assert (table.seen == 0).all() and (table.of == 3).all() and (table.threshold == 0.5).all()
    with pytest.raises(InputError, match="uint8"):
        detector.detect(torch.rand(1, 3, 32, 32))


def test_counting_uses_the_threshold_and_the_parts(monkeypatch):
    pytest.importorskip("nudenet")
    detector = harmful.BodyParts(0.6)
    answers = iter([
        [{"class": "BELLY_EXPOSED", "score": 0.7}, {"class": "BELLY_EXPOSED", "score": 0.61}, {"class": "FEET_EXPOSED", "score": 0.59}],
        [{"class": "FACE_FEMALE", "score": 0.9}],
    ])  # fmt: skip
    monkeypatch.setattr(detector._detector, "detect", lambda picture: next(answers))
    table = detector.count(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).set_index("part")
    assert table.loc["BELLY_EXPOSED", ["seen", "pictures"]].tolist() == [2, 1]
    assert table.loc["FEET_EXPOSED", "seen"] == 0
    assert table.loc["any", ["seen", "pictures"]].tolist() == [2, 1]


def test_clip_scores_are_cosines_and_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(InputError, match="CLIP model"):
        harmful.clip_score(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), ["a circle"], model=tmp_path / "none")


def test_an_empty_test_set_is_allowed_in_a_drawn_data_set():
    images = Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))
    assert len(images.subset([])) == 0
