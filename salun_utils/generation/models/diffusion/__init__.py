"""Class-conditional diffusion models: what they share, two kinds, and their training."""
