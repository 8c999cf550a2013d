"""The same mask and the same steps where memory is short: each gradient is used and given back as
soon as it is ready, so that a model of 2.6 billion weights is scored beside little more than
itself.

`saliency_mask` is ``SaliencyMask.top(saliency_scores(…))`` without the scores, `step_as_ready` is
`masking.hold` and an optimizer without all gradients at once, and with states for the weights that
may change alone.
"""

from __future__ import annotations

from .scoring import saliency_mask
from .stepping import step_as_ready

__all__ = ["saliency_mask", "step_as_ready"]
