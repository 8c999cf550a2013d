"""What `training.fit` is made of: recipes (optimizers, schedules, named settings), the progress of
a training with its checkpoint, and how many operations it takes.
"""
