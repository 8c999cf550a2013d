"""Is the concept gone from an erased pipeline, or only out of reach of its name?

`study` erases, asks every probe and writes one record; `recorded` reads the records as tables and
claims, `pictures` draws them.
"""
