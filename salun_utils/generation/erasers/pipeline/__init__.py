"""Erasers of a text-to-image pipeline: one method, one file, over the loop of `loop.py`."""
