"""What an unlearned classifier still holds, beyond its answers.

`inside` reads its layers, `relearn` teaches it again from a few pictures, `quantise` rounds its
weights; `study` does all of it for one and writes one record; `summary` reads the records for the
page.
"""
