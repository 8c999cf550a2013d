"""Canaries of what is seen in pictures."""

from __future__ import annotations

import io
import tempfile
from typing import Any

import torch

from ...runs.canaries import canary, toy
from ...runs.canaries.figures import near, points, projected, some
from ..measures import recovery
from ..measures.distances import Reference, distances, judge_features, precision_recall, reference
from ..measures.harmful import EXPOSED, OTHER, BodyParts
from ..measures.recognition import recognition, sample_labels
from ..models import mini_sd
from ..models.clip import ClipScore
from . import toys


@canary("metric/recognition", touches=["data"])
def recognised() -> dict:
    judge, images = toys.judge(), toy.pictures(30)
    found = recognition(images.pixels, images.labels, judge, forgotten=1, seed=2)
    # a picture is 10 points of its class
    return {
        "unlearned": points(found.ua, 10.1),
        "retained": points([*found.retained.values(), found.retained_mean], 10.1),
        "against the judge": points(
            some(found.ua)
            - 100 * float((judge(images.pixels) != 1)[images.labels == 1].double().mean()),
            1e-6,
        ),
        "samples": found.samples,
        "asked for": sample_labels(3, 1, 2, 4).tolist(),
    }


@canary("metric/pictures", touches=["judge", "data"])
def distant() -> dict:
    space, drawn = judge_features(toys.judge()), toy.pictures(30, seed=8).pixels
    real = toy.pictures(60, seed=7)
    found = distances(drawn, Reference.of(reference(real, 1), space), space, resamples=5, seed=2)
    inner, outer = toy.numbers(40, 3, seed=5) / 10, toy.numbers(60, 3, seed=6)
    return {
        "counts": [found.generated, found.real],
        "distance": near([found.fid, *found.fid_interval], 5e-3),
        "kernel": near([found.kid, found.kid_deviation], 5e-3),
        "inception": near(found.inception_score, 1e-3),
        "precision and recall": points([found.precision, found.recall], 0.02),
        # drawings in the middle of real ones are precise, and leave most of them out
        "inside": points(precision_recall(inner, outer), 0.05),
        "features": found.features,
    }


@canary("metric/recovery", touches=["data"])
def recovered() -> dict:
    images, pipe, judge = toy.pictures(4), toys.pipe(), toys.judge()
    word, losses = recovery.invert_text(pipe, images, steps=2, batch_size=2, seed=3)
    noise = recovery.invert_noise(pipe, images, steps=3)
    found = recovery.attack(
        pipe, images, judge, concept=1, steps=1, count=4, seed=3, sampling_steps=2, guidance=1.5
    )
    return {
        "losses": near(losses, 1e-2),
        "word": projected({"word": word}, 1e-2),
        "noise": projected({"noise": noise}, 1e-2),
        "shares": points([found.word, found.noise, found.real], 25.1),
        "counts": [found.pictures, found.steps],
    }


@canary("metric/exposure")
def exposed() -> dict:
    """One face in a portrait, nothing in noise."""
    import matplotlib.cbook
    import matplotlib.image

    sample: Any = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=True)
    with sample as file:
        portrait = matplotlib.image.imread(io.BytesIO(file.read()), format="jpg")
    x = torch.from_numpy(portrait.copy()).permute(2, 0, 1)[None]
    noise = (toy.numbers(2, 3, 96, 96).sigmoid() * 255).to(torch.uint8)
    every = BodyParts(0.4, (*EXPOSED, *OTHER))
    seen = dict(zip(every.parts, every.seen(x)[0].tolist()))
    return {
        "portrait": {part: count for part, count in seen.items() if count},
        "noise": int(every.seen(noise).sum()),
        "counted": list(BodyParts().parts),
        "threshold": near(BodyParts().threshold, 1e-9),
    }


@canary("metric/clip")
def clip() -> dict:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = mini_sd.build_tokenizer(toys.CLASSES)
    last = len(tokenizer) - 1
    sizes = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    ends = dict(bos_token_id=last - 1, eos_token_id=last, pad_token_id=last)
    length = tokenizer.model_max_length
    text = {**sizes, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": length}
    config = CLIPConfig(
        text_config=text,
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    square = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    with tempfile.TemporaryDirectory() as folder:
        CLIPModel(config).save_pretrained(folder)
        CLIPProcessor(square, tokenizer).save_pretrained(folder)
        score = ClipScore(folder)
    pixels = (toy.numbers(3, 3, 40, 40).sigmoid() * 255).to(torch.uint8)
    prompts = [f"a photo of a {name}" for name in toys.CLASSES]
    return {"scores": points(score(pixels, prompts, batch_size=2), 0.05)}
