"""What a user meets before the first command: the list of commands, and completion in the shell."""

from __future__ import annotations

import argparse

from ..errors import unknown

EXAMPLES = {
    "new": "salun new method ga-steady",
    "run": "salun run notebooks/01_quickstart.ipynb -p seed 1",
    "grid": "salun grid benchmark/grids/demo.yaml --cores 2 --out out/demo",
    "tune": "salun tune -p dataset digits --methods ft,salun --trials 4 --out out/tuned",
    "erase": "salun erase mini-sd --concept sneaker --out out/erased",
    "table": "salun table --tier cpu --scenario random-10",
    "canaries": "salun canaries method/rl",
    "doctor": "salun doctor",
    "completion": "salun completion bash >> ~/.bashrc",
}

BASH = """\
_salun() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" options
    case "${{COMP_WORDS[1]}}" in
{cases}
        *) options="{commands}" ;;
    esac
    [ "$COMP_CWORD" -eq 1 ] && options="{commands}"
    if [ "$COMP_CWORD" -eq 1 ] || [[ "$word" == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    fi
}}
complete -o default -F _salun salun
"""
SHELLS = {"bash": BASH, "zsh": "autoload -U +X bashcompinit && bashcompinit\n" + BASH}


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Name -> parser of each command."""
    found = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(next(found).choices)


def helps_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Name -> what each command does, in the words of ``--help``."""
    found = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {one.dest: one.help or "" for one in next(found)._choices_actions}


def overview(parser: argparse.ArgumentParser) -> str:
    """Every command: what it does, and an example below."""
    lines = ["Machine unlearning by weight saliency. Commands, each with an example:", ""]
    for name, text in helps_of(parser).items():
        lines += [f"  {name:<11} {text}", f"  {'':<11} $ {EXAMPLES[name]}"]
    return "\n".join([*lines, "", "salun COMMAND --help says all about one of them."])


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """A script for the shell: completes commands and their options, and file names elsewhere.

    Raises
    ------
    InputError : for a shell other than those of `SHELLS`.
    """
    if shell not in SHELLS:
        raise unknown("shell", shell, SHELLS)
    commands = commands_of(parser)
    cases = [
        f'        {name}) options="{" ".join(_options(one))}" ;;' for name, one in commands.items()
    ]
    return SHELLS[shell].format(cases="\n".join(cases), commands=" ".join(commands))


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return sorted(o for a in parser._actions for o in a.option_strings if o.startswith("--"))
