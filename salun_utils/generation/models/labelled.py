"""What every generator that draws by class answers to."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..files import class_label


class Labelled(nn.Module):
    """A network whose `config` names its classes in label order."""

    config: Any

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return list(self.config.classes)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def label(self, concept: str | int) -> int:
        """The label of a class given by name (in any case) or by number; `InputError` when the
        model doesn't know it.
        """
        return class_label(concept, self.classes)
