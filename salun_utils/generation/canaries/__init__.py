"""Canaries of forgetting in generators, on networks with tiny random weights."""

from . import erasers, looking, models, probes, trials

__all__ = ["erasers", "looking", "models", "probes", "trials"]
