"""What Snakemake would be called with, read by its own parser before anything is written."""

from __future__ import annotations

import contextlib
import difflib
import io
from collections.abc import Sequence
from typing import Any

from ...errors import InputError
from .executors import Profile


def check_words(profile: Profile | None, words: Sequence[str]) -> None:
    """Refuse a profile, or further words for Snakemake, that it would not take.

    Raises
    ------
    InputError : an option that Snakemake doesn't have, or a value that it can't be given.
    """
    if profile is None and not words:
        return
    try:
        from snakemake import cli
    except ImportError:  # the call says what to install
        return
    if profile is not None:
        _check_keys(profile, cli.get_argument_parser())
        where = f"the profile {profile.folder.name}"
        _parse(cli, ["--profile", str(profile.folder)], where)
    if words:
        _parse(cli, list(words), "--snakemake " + " ".join(words)[:200])


def _check_keys(profile: Profile, parser: Any) -> None:
    """Snakemake says nothing of an unknown key whose value is a mapping, and leaves it out."""
    known = {o.lstrip("-") for a in parser._actions for o in a.option_strings if o[:2] == "--"}
    for key in profile.settings:
        name = str(key)[:200]
        if name.lstrip("-") not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"unknown key of the profile {profile.folder.name} {name!r}; {hint}allowed: the"
                " long options of snakemake --help"
            )


def _parse(cli: Any, words: list[str], where: str) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            _check_settings(cli.parse_args(words)[1])
    except SystemExit as end:
        lines = said.getvalue().strip().splitlines() or ["it gives no reason"]
        reason = lines[-1].partition("error: ")[2] or lines[-1]
        if not end.code:
            reason = "with these words it would run nothing"
        raise InputError(f"Snakemake refuses {where}: {reason[:300]}") from None
    except Exception as error:  # of whatever kind: its parser doesn't catch all of its own
        reason = str(error).strip() or type(error).__name__
        raise InputError(f"Snakemake refuses {where}: {reason[:300]}") from None


def _check_settings(args: Any) -> None:
    """The settings of an executor's plugin, which are read after all else."""
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    if args.executor:
        ExecutorPluginRegistry().get_plugin(args.executor).get_settings(args)
