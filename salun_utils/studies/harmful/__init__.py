"""The protocol for harmful concepts, on a stand-in that is harmless.

`live` runs it on the page, `recorded` reads what is on file; pictures of a concept that a model
could draw in earnest are blurred before they leave memory.
"""
