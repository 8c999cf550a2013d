"""Pictures of the chapters on generation: what they show is what they were given."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from salun_utils.errors import InputError
from salun_utils.generation import figures
from salun_utils.saliency import SaliencyMask


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def mask() -> SaliencyMask:
    shapes = {
        "unet.conv_in.weight": 4,
        "unet.down_blocks.0.resnets.0.conv1.weight": 6,
        "unet.down_blocks.0.attentions.0.attn2.to_k.weight": 2,
        "unet.mid_block.attentions.0.to_q.weight": 4,
        "unet.class_embedding.weight": 4,
        "unet.up_blocks.1.resnets.0.conv1.weight": 4,
    }
    kept = iter([4, 3, 0, 1, 0, 2])
    scores = {
        name: torch.tensor([2.0] * (k := next(kept)) + [1.0] * (n - k))
        for name, n in shapes.items()
    }
    return SaliencyMask.top(scores, 10 / 24)


def test_the_table_of_a_mask_holds_shares_by_block_and_kind_in_the_order_of_a_pass():
    table = figures.mask_by_block(mask())
    assert table.index.tolist() == [
        "conv_in",
        "class_embedding",
        "down_blocks.0",
        "mid_block",
        "up_blocks.1",
    ]
    assert table.loc["conv_in", "other"] == 100 and table.loc["class_embedding", "other"] == 0
    assert (
        table.loc["down_blocks.0", "convolution"] == 50
        and table.loc["down_blocks.0", "cross-attention"] == 0
    )
    assert (
        table.loc["mid_block", "self-attention"] == 25
        and table.loc["up_blocks.1", "convolution"] == 50
    )
    written = [t.get_text() for t in figures.mask_heatmap(mask()).axes[0].texts]
    assert sorted(written) == sorted(["100", "0", "50", "0", "25", "50"])


def test_a_grid_needs_rows_of_one_length():
    grey, colour = (torch.zeros(2, channels, 4, 4, dtype=torch.uint8) for channels in (1, 3))
    grid = figures.picture_grid({"a": grey, "b": colour}, ["x", "y"])
    assert (
        len(grid.axes) == 4 and grid.axes[0].get_title() == "x" and grid.axes[2].get_ylabel() == "b"
    )
    with pytest.raises(InputError, match="equally long"):
        figures.picture_grid({"a": torch.zeros(2, 1, 4, 4), "b": torch.zeros(3, 1, 4, 4)})


def test_bars_and_curves_show_every_model():
    table = pd.DataFrame(
        {
            "class": ["x", "x", "y", "y"],
            "model": ["m", "n", "m", "n"],
            "recognised": [1.0, 2.0, 3.0, 4.0],
        }
    )
    bars = figures.class_bars(table, forgotten="y").axes[0]
    assert sorted(p.get_height() for p in bars.patches if p.get_width() and p.get_height()) == [
        1,
        2,
        3,
        4,
    ]
    assert [t.get_fontweight() for t in bars.get_xticklabels()] == ["normal", "bold"]
    curves = figures.loss_curves({"a": [3.0, 1.0], "b": [2.0, 2.0]}).axes[0]
    assert [t.get_text() for t in curves.get_legend().get_texts()] == ["a", "b"] and len(
        curves.lines
    ) == 4
