"""Names of parameters, as models and what wraps them have them."""

from __future__ import annotations

from collections.abc import Iterable

# What wrappers of a model put into the names of its parameters: DataParallel (and its distributed
# kind), torch.compile, fully sharded training, activation checkpoints.
WRAPPERS = frozenset(("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))


def bare_name(name: str) -> str:
    """A parameter's name without the words of `WRAPPERS`."""
    return ".".join(part for part in str(name).split(".") if part not in WRAPPERS)


def with_one_prefix(theirs: Iterable[str], mine: Iterable[str]) -> str:
    """A way out where one side's names are the other's behind one prefix; "" otherwise."""
    for long, short, whose in ((set(mine), set(theirs), "mask"), (set(theirs), set(mine), "model")):
        first = min(long, default="").split(".")
        for depth in range(1, len(first)):
            prefix = ".".join(first[:depth]) + "."
            if {n.removeprefix(prefix) for n in long} == short:
                way = "take it off" if whose == "mask" else "put it before those of the mask"
                return f"; the names of the {whose} begin with {prefix!r}: {way}"
    return ""
