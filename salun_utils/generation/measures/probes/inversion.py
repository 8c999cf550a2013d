"""The two searches of `recovery`: a new word for the concept, learned from pictures of it, and
start noises from which the pipeline, given no text at all, draws them again.

The control of the word is an unlearned one, the mean of all words, where the search starts. That of
the start noises is plain noise.
"""

from __future__ import annotations

from ....units import numerics
from ..recovery import invert_noise, invert_text
from .registry import Found, Target, probe


@probe(
    "word",
    summary="a new word learned from pictures of the concept",
    control="the word before it is learned",
    paper="Gal et al., ICLR 2023",
)
@numerics(1, uses=("metric/recovery", "judge", "generator/pipeline"))
def word(target: Target) -> Found:
    noise = target.noise()
    template = _template(target)

    def share(steps: int, lr: float) -> tuple[float, list[float]]:
        learned, losses = invert_text(
            target.pipe, target.images, template=template, steps=steps, lr=lr, seed=target.seed
        )
        return target.share(target.sample(learned.expand(len(noise), -1, -1), noise)), losses

    own, losses = share(target.search_steps, 0.05)
    start, _ = share(1, 1e-12)
    detail = {"first loss": round(losses[0], 5), "last loss": round(losses[-1], 5)}
    return Found(own, start, detail)


def _template(target: Target) -> str:
    """The prompt with a gap where the concept's name stands."""
    name = target.judge.classes[target.label].lower()
    return target.prompt.replace(name, "{}")


@probe(
    "start",
    summary="start noises of real pictures, and no text",
    control="plain start noises, and no text",
    paper="after TINA, 2024",
)
@numerics(1, uses=("metric/recovery", "judge", "generator/pipeline"))
def start(target: Target) -> Found:
    found = invert_noise(target.pipe, target.some, steps=target.steps)
    own = target.share(target.sample([""] * len(found), found, guidance=1))
    plain = target.noise()[: len(found)]
    return Found(
        own,
        target.share(target.sample([""] * len(plain), plain, guidance=1)),
        {"real": target.share(target.some.pixels.cpu())},
    )
