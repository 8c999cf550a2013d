"""Erase a concept from a text-to-image pipeline: one method, one file, over the loop of `loop.py`.

This file stays light; `run.erase` is what `salun_utils.generation.erase` calls.
"""
