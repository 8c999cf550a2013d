"""Tiny text-to-image pipelines with random weights, of the real classes of diffusers and
transformers.
"""

from __future__ import annotations

import pytest
import torch
from tiny_pipelines import CLASSES, TINY, shapes_of


def _text_config(tokenizer, width: int, projection: int):
    from transformers import CLIPTextConfig

    last = len(tokenizer) - 1
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=16,
        projection_dim=projection,
        hidden_act="gelu",  # OpenCLIP's, as in 2.x and SDXL
        bos_token_id=last - 1,
        eos_token_id=last,
        pad_token_id=last,
    )


def _autoencoder():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=16,
    )


def _unet(width: int, **more):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        norm_num_groups=4,
        **more,
    )


def build_sd(*, v_prediction: bool = False):
    """Stable Diffusion 1.x, or 2.x with its linear projections, heads by level and velocities."""
    from diffusers import DDIMScheduler, PNDMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextModel

    from salun_utils.generation.models.mini_sd import build_tokenizer

    torch.manual_seed(0)
    tokenizer = build_tokenizer(CLASSES)
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    second = {"use_linear_projection": True, "attention_head_dim": (2, 4)}
    scheduler = (
        DDIMScheduler(**betas, prediction_type="v_prediction", clip_sample=False)
        if v_prediction
        else PNDMScheduler(**betas, skip_prk_steps=True)
    )
    pipe = StableDiffusionPipeline(
        _autoencoder(),
        CLIPTextModel(_text_config(tokenizer, 16, 16)),
        tokenizer,
        _unet(16, **(second if v_prediction else {"attention_head_dim": 4})),
        scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def build_sdxl():
    """SDXL: two text models, pooled vectors and sizes beside the prompt, Euler's sampler."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    from salun_utils.generation.models.mini_sd import build_tokenizer

    torch.manual_seed(1)
    tokenizer = build_tokenizer(CLASSES)
    unet = _unet(
        16 + 24,
        use_linear_projection=True,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 12,
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    pipe = StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(_text_config(tokenizer, 16, 16)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer, 24, 12)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def pipe():
    """One of the small model's own kind, with random weights."""
    from salun_utils.generation.models import mini_sd

    return mini_sd.build(CLASSES, **TINY)


@pytest.fixture(scope="session")
def sd1():
    return build_sd()


@pytest.fixture(scope="session")
def sd2():
    return build_sd(v_prediction=True)


@pytest.fixture(scope="session")
def sdxl():
    return build_sdxl()


@pytest.fixture(scope="session")
def shapes():
    """Random grey pictures of three classes."""
    return shapes_of(12, side=16)


@pytest.fixture
def retrained_on(monkeypatch) -> list[torch.Tensor]:
    """The labels (N,) of each set that Retrain trains a diffusion model on, as it comes to it."""
    from salun_utils.generation.erasers.diffusion import retrain

    seen, real = [], retrain.train
    monkeypatch.setattr(
        retrain,
        "train",
        lambda model, data, *a, **k: (seen.append(data.labels), real(model, data, *a, **k))[1],
    )
    return seen
