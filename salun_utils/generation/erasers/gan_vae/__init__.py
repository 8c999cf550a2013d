"""Erasers of a conditional GAN or VAE: one method, one file. The paper leaves these open; what is
in `losses.py` carries its idea over.
"""
