"""Pictures before and after an erasing, side by side on one sheet."""

from __future__ import annotations

from PIL import Image, ImageDraw
from torch import Tensor


def before_after(before: Tensor, after: Tensor, prompts: list[str], *, side: int = 96):
    """A picture with one row a prompt: on the left as drawn before, on the right after, from the
    same noises.

    Parameters
    ----------
    before, after : uint8 (K, S, 3, H, W). side : the least side of one picture in pixels; small
        ones are enlarged, and those above 256 reduced.
    """
    scale = max(side // before.shape[-1], 1)
    size = min(before.shape[-1] * scale, 256)
    rows, count, gap, top = len(prompts), before.shape[1], 12, 18
    wide, high = (2 * count + 1) * size - size + 3 * gap, rows * (size + top + gap) + gap
    sheet = Image.new("RGB", (wide, high), "white")
    draw = ImageDraw.Draw(sheet)
    for i, prompt in enumerate(prompts):
        y = gap + i * (size + top + gap)
        for half, (name, pictures) in enumerate((("before", before[i]), ("after", after[i]))):
            x = gap + half * (count * size + gap)
            said = f"{name}: {prompt}".encode("latin-1", "replace").decode("latin-1")
            draw.text((x, y), said[: max(count * size // 7, 8)], fill="black")
            for j, picture in enumerate(pictures):
                one = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
                kind = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
                sheet.paste(one.resize((size, size), kind), (x + j * size, y + top))
    return sheet
