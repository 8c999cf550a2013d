"""Forgetting in generators: what the recorded runs of the erasers say."""
