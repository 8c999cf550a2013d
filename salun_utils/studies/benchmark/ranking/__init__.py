"""Methods in order: on one task by intervals, over several by pairs of runs."""
