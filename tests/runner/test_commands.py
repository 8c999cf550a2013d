"""The list of commands that `salun` alone prints, and completion in a shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

import pytest

from salun_utils import cli
from salun_utils.runner.commands import EXAMPLES, commands_of, completion, overview

PARSER = cli.build_parser()


def test_salun_alone_lists_every_command_with_an_example(capsys):
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    assert said.strip() == overview(PARSER)
    for name in commands_of(PARSER):
        assert f"\n  {name:<11} " in said and f"$ salun {name}" in said


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_command_that_is_understood(name):
    words = shlex.split(EXAMPLES[name].split(" >> ")[0])
    args = PARSER.parse_args(words[1:])
    assert words[0] == "salun" and args.command == name


def test_the_list_needs_no_heavy_library():
    code = (
        "import sys; from salun_utils import cli; cli.main([]); cli.main(['completion', 'bash']);"
        " sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["salun", "er"], {"erase"}),
        (["salun", "table", "--sc"], {"--scenario"}),
        (["salun", "grid", "--out"], {"--out", "--outdated"}),
        (["salun", "run", "note"], set()),  # a file's name: the shell's own completion
    ],
)
def test_bash_completes_commands_and_options(words, wanted):
    line = " ".join(map(shlex.quote, words))
    ask = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _salun; echo "${{COMPREPLY[@]}}"'
    script = completion(PARSER, "bash") + ask
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == wanted
