"""Canaries of forgetting in generators, on networks with tiny random weights."""

from . import erasers, looking, models, trials

__all__ = ["erasers", "looking", "models", "trials"]
