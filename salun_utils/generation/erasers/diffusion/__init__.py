"""Erasers of a class-conditional diffusion model: one method, one file."""
