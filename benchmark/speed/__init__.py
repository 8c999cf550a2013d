"""How fast the project is, against the plain way of doing the same: ``python -m benchmark.speed``.

``turns`` times ways in turns, ``plain`` holds the plain ways, ``networks`` and ``generators`` say
what is compared, ``tries`` what was tried to be faster, ``starts`` the first seconds, ``large`` the
largest models on a small machine. ``page`` writes all of it into ``book/speed_and_scale.md``: the
parts that ``speed_tables`` and ``scale_tables`` make of the ``figures``.
"""
