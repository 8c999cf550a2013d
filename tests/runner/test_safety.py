"""What a parameter can't do: leave the output folder, or reach a shell; and what a notebook can't
see.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner import grid
from salun_utils.runner.grid import pending
from salun_utils.runner.grid.call import snakemake_words
from salun_utils.runner.grid.resources import lanes
from salun_utils.runner.kernels import kernel_manager, without_secrets
from salun_utils.runner.parameters import check_parameters

ROOT = Path(__file__).parents[2]
OUTSIDE = ["../../out", "..", "/etc/x", "a/b", "a\\b", "a\nb", ".hidden", "", "a b", "$(touch x)"]


def notebook(folder: Path, source: str, name: str = "n.ipynb") -> Path:
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    path = folder / name
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


@pytest.mark.parametrize("name", ["tier", "method", "eraser"])
@pytest.mark.parametrize("value", OUTSIDE)
def test_no_parameter_that_files_are_called_by_names_a_path(tmp_path, name, value):
    path = notebook(tmp_path, f"{name} = 'quick'\nstudy = ''\n")
    with pytest.raises(InputError) as caught:
        check_parameters(path, {name: value})
    assert "\n" not in str(caught.value)


def test_a_run_that_would_leave_its_folder_is_refused_and_writes_nothing(tmp_path, capsys):
    path = notebook(tmp_path, "tier = 'quick'\n")
    before = sorted(tmp_path.rglob("*"))
    out = str(tmp_path / "o")
    assert cli.main(["run", str(path), "-p", "tier", "../../away", "--out", out]) == 2
    assert "tier" in capsys.readouterr().err
    (tmp_path / "g.yaml").write_text(f"notebook: {path}\nfixed: {{tier: ../../away}}\n")
    assert cli.main(["grid", str(tmp_path / "g.yaml"), "--out", out]) == 2
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "g.yaml"])


def test_no_name_reaches_a_shell(tmp_path):
    """The real Snakefile in the real Snakemake, with a Python that writes down what it was given:
    folders and names full of what a shell would act on arrive as they are.
    """
    nasty = "a $(touch pwned) `touch pwned`; touch pwned & 'b' \"c\""
    home = tmp_path / f"{nasty} {{d}}"
    home.mkdir()
    path = notebook(home, "seed = 0\ntier = 'quick'\n", f"{nasty}.ipynb")
    (home / "g.yaml").write_text(f"notebook: {json.dumps(str(path))}\nproduct: {{seed: [0, 1]}}\n")
    runs = grid.read(home / "g.yaml")
    state = home / "state"
    state.mkdir()
    places = pending.Places(home / "records", state, home / "notebooks")
    pending.write(runs.notebook, lanes(runs.runs), places, deadline=None, job_minutes=None)
    python = home / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$4" >> "$(dirname "$0")/given"\n')
    python.chmod(0o755)
    listed = json.loads((state / pending.LIST).read_text())
    (state / pending.LIST).write_text(json.dumps({**listed, "python": str(python)}))
    command = [*snakemake_words(ROOT / "benchmark" / "Snakefile", state), "--cores", "1"]
    del command[command.index("--quiet") : command.index("--quiet") + 2]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    given = (home / "given").read_text().splitlines()
    assert sorted(given) == sorted(run.name for run in runs.runs)
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", ["{a}.ipynb", "a,b.ipynb", "a\nb.ipynb"])
def test_a_notebook_called_by_what_snakemake_acts_on_is_refused(tmp_path, name):
    path = notebook(tmp_path, "seed = 0\ntier = 'quick'\n", name)
    (tmp_path / "g.yaml").write_text(f"notebook: {json.dumps(str(path))}\nproduct: {{seed: [0]}}\n")
    with pytest.raises(InputError, match="grids can't run a notebook called"):
        grid.read(tmp_path / "g.yaml")


def test_what_gives_access_is_not_in_a_notebooks_environment():
    secret = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "my_password"]
    secret += ["OPENAI_API_KEY", "GH_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "SOME_APIKEY"]
    secret += ["KAGGLE_KEY", "MYSQL_PWD", "SMTP_PASS", "GITHUB_PAT", "SSH_AUTH_SOCK", "API_TOKENS"]
    plain = ["PATH", "HOME", "SALUN_CACHE", "TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES"]
    plain += ["PWD", "OLDPWD", "LD_LIBRARY_PATH", "PYTHONPATH", "SSL_CERT_FILE", "SLURM_JOB_ID"]
    kept = without_secrets(dict.fromkeys((*secret, *plain, "KEYBOARD"), "x"))
    assert sorted(kept) == sorted([*plain, "KEYBOARD"])


async def _options(manager) -> dict:
    return (await manager._async_pre_start_kernel())[1]


def test_a_kernel_is_started_without_them(monkeypatch):
    import asyncio

    monkeypatch.setenv("HF_TOKEN", "secret")
    with kernel_manager() as kind:
        manager = kind(kernel_name="python3")
        try:
            options = asyncio.run(_options(manager))
        finally:
            manager.cleanup_connection_file()
    env = options["env"]
    assert "HF_TOKEN" not in env and env["PATH"] == os.environ["PATH"]
    assert callable(options.get("preexec_fn")) == sys.platform.startswith("linux")
