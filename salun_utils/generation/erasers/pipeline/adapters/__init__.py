"""Erasers that train adapters of low rank beside layers and fold them in: MACE and SPM."""
