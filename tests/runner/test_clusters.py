"""Lanes of runs that ask for the same, profiles of executors, and what no cluster can run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from salun_utils import cli
from salun_utils.errors import InputError
from salun_utils.runner import grid
from salun_utils.runner.grid import ends, executors, pending
from salun_utils.runner.grid.call import call_snakemake, cluster_words, snakemake_words
from salun_utils.runner.grid.executors import Profile, check_nodes, choose
from salun_utils.runner.grid.options import check_words
from salun_utils.runner.grid.resources import Resources, lanes

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "benchmark" / "profiles"
HEAD = "fixed: {dataset: digits, train_epochs: 2}\n"


def read(folder: Path, text: str) -> grid.Grid:
    path = folder / "g.yaml"
    path.write_text(f"notebook: {ROOT / 'notebooks' / '00_run.ipynb'}\n{text}")
    return grid.read(path)


def test_a_run_asks_for_what_the_grid_says_and_the_rest_as_its_parameters_suggest(tmp_path):
    text = HEAD + (
        "minutes_per_run: 10\nresources: {mem_mb: 3000}\nblocks:\n"
        "  - {product: {seed: [0]}}\n"
        "  - {product: {seed: [1]}, resources: {threads: 4, mem_mb: 9000, runtime: 50}}\n"
        "  - {product: {seed: [2]}, fixed: {tier: paper}, resources: {mem_mb: 20000}}\n"
        "  - {product: {seed: [3]}, fixed: {tier: paper, device: cpu}}\n"
    )
    asks = {run.parameters["seed"]: run.resources for run in read(tmp_path, text).runs}
    assert asks == {
        0: Resources(runtime=32, mem_mb=3000),
        1: Resources(runtime=50, mem_mb=9000, threads=4),
        2: Resources(runtime=32, mem_mb=20000, gpu=1),
        3: Resources(runtime=32, mem_mb=3000),
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{memory: 3}", "unknown resource of g.yaml 'memory'"),
        ("{mem_mb: 0}", "mem_mb must be a whole number from 1"),
        ("{mem_mb: many}", "mem_mb must be a whole number"),
        ("{gpu: -1}", "gpu must be a whole number from 0"),
        ("{threads: true}", "threads must be a whole number"),
        ("[1]", "resources must be a mapping of numbers"),
    ],
)
def test_resources_that_make_no_sense_are_refused_in_one_line(tmp_path, given, said):
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"{HEAD}product: {{seed: [0]}}\nresources: {given}\n")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_lane_holds_runs_of_one_priority_that_ask_for_the_same(tmp_path):
    text = HEAD + (
        "minutes_per_run: 1\nblocks:\n"
        "  - {product: {seed: [0, 1, 2]}, priority: 5}\n"
        "  - {product: {seed: [3]}, priority: 5, resources: {gpu: 1}}\n"
        "  - {product: {seed: [4, 5]}, priority: -1, minutes_per_run: 100}\n"
    )
    found = lanes(read(tmp_path, text).runs)
    assert {one.name: [r.parameters["seed"] for r in one.runs] for one in found} == {
        "priority_5_1": [0, 1, 2],
        "priority_5_2": [3],
        "priority_minus1_1": [4, 5],
    }
    assert [one.group(45) for one in found] == [3, 1, 1]
    assert [one.group(2) for one in found] == [2, 1, 1] and found[0].group(0) == 1


def test_a_profile_is_found_by_its_executor_or_by_its_name(tmp_path):
    assert choose(PROFILES, None, None) is choose(PROFILES, "local", None) is None
    for name in ("slurm", "kubernetes"):
        by_executor, by_name = choose(PROFILES, name, None), choose(PROFILES, None, name)
        assert by_executor == by_name and by_executor.executor == name
    own = tmp_path / "ours"
    own.mkdir()
    (own / "config.yaml").write_text("executor: slurm\ndefault-resources: [slurm_partition=a]\n")
    assert choose(PROFILES, "slurm", str(own)).partitions == ["a"]


@pytest.mark.parametrize(
    ("executor", "profile", "said"),
    [
        ("slrum", None, "did you mean 'slurm'? allowed: local, kubernetes, slurm"),
        (None, "oursite", "unknown profile 'oursite'; allowed: kubernetes, slurm"),
        ("kubernetes", "slurm", "is for the executor slurm, not for kubernetes"),
        ("../slurm", None, "unknown executor"),
        (None, "p" * 5000, "profile must be a name or a folder, not 5,000 characters"),
    ],
)
def test_an_executor_or_profile_that_is_not_there_names_those_that_are(executor, profile, said):
    with pytest.raises(InputError) as caught:
        choose(PROFILES, executor, profile)
    assert said in str(caught.value)


def test_an_executor_whose_plugin_is_not_installed_says_what_to_install(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "config.yaml").write_text("executor: faraway\n")
    with pytest.raises(InputError, match="pip install snakemake-executor-plugin-faraway"):
        choose(tmp_path, "faraway", None)
    (tmp_path / "far" / "config.yaml").write_text("executor: touch\n")
    with pytest.raises(InputError, match="profiles are for clusters: leave --profile out"):
        choose(tmp_path, None, "far")
    (tmp_path / "far" / "config.yaml").write_text("executor: a b; rm\n")
    with pytest.raises(InputError, match="must be a mapping that names its executor"):
        choose(tmp_path, None, "far")


def test_the_command_line_refuses_an_unknown_executor_and_writes_nothing(tmp_path, capsys):
    words = ["grid", str(ROOT / "benchmark" / "grids" / "demo.yaml"), "--out", str(tmp_path / "o")]
    assert cli.main([*words, "--executor", "pbs"]) == 2
    assert "unknown executor 'pbs'" in capsys.readouterr().err
    assert cli.main([*words, "--job-minutes", "-1"]) == 2
    assert not (tmp_path / "o").exists()


@pytest.fixture
def sinfo(tmp_path, monkeypatch):
    """A `sinfo` that says what it is told to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def says(text: str, status: int = 0) -> None:
        (folder / "sinfo").write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
        (folder / "sinfo").chmod(0o755)

    return says


def profile_of(folder: Path, **settings: object) -> Profile:
    return Profile(folder, "slurm", settings)


def test_what_no_node_has_is_refused(tmp_path, sinfo):
    rest = "|up|infinite"
    gpus = "gpu:a100:2(S:0-1),gpu:v100:1,nic:3"
    sinfo(f"short|8|16000|(null){rest}\nlong|64+|256000|{gpus}{rest}")
    asks = "product: {{seed: [0]}}\nresources: {{mem_mb: {}, gpu: {}}}\n"
    fits, large, many = (
        lanes(read(tmp_path, HEAD + asks.format(mem_mb, gpu)).runs)
        for mem_mb, gpu in ((200_000, 3), (300_000, 0), (1000, 4))
    )
    check_nodes(fits, profile_of(tmp_path))
    for one in (large, many):
        with pytest.raises(InputError, match=r"more than any node has: .*64 threads, 256,000 MB"):
            check_nodes(one, profile_of(tmp_path))
    short = profile_of(tmp_path, **{"default-resources": {"slurm_partition": "short"}})
    with pytest.raises(InputError, match="more than any node has: 8 threads"):
        check_nodes(fits, short)
    for given in (["slurm_partition=shrot"], "slurm_partition=shrot", "slurm_partition='shrot'"):
        with pytest.raises(InputError, match="unknown partition 'shrot'; did you mean 'short'"):
            check_nodes(fits, profile_of(tmp_path, **{"default-resources": given}))


def test_of_several_partitions_each_is_there_and_one_has_such_a_node(tmp_path, sinfo):
    nodes = ("short|8|16000|(null)", "long|64|256000|gpu:2", "debug|2|4000|(null)")
    sinfo("\n".join(f"{node}|up|2-00:00:00" for node in nodes))
    text = HEAD + "product: {seed: [0]}\nresources: {gpu: 2}\n"
    some = lanes(read(tmp_path, text).runs)

    def among(names: str) -> Profile:
        return profile_of(tmp_path, **{"default-resources": {"slurm_partition": names}})

    check_nodes(some, among("short,long"))
    with pytest.raises(InputError, match="more than any node has: 2 threads"):
        check_nodes(some, among("debug"))
    with pytest.raises(InputError, match="unknown partition 'lnog'"):
        check_nodes(some, among("short,lnog"))


def test_a_partition_that_takes_no_jobs_is_refused(tmp_path, sinfo):
    some = lanes(read(tmp_path, HEAD + "product: {seed: [0]}\n").runs)
    for state in ("inact", "drain"):
        sinfo(f"a|8|16000|(null)|{state}|infinite\nb|8|16000|(null)|up|infinite")
        with pytest.raises(InputError, match=f"partition a takes no jobs now: it is {state}"):
            check_nodes(some, profile_of(tmp_path, **{"default-resources": ["slurm_partition=a"]}))
        check_nodes(some, profile_of(tmp_path))


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("1:00", 1), ("30", 0), ("2:00:00", 120), ("1-02:03:04", 1563), ("2-00:00:00", 2880)],
)
def test_a_job_longer_than_a_partition_allows_would_wait_for_ever(tmp_path, sinfo, limit, minutes):
    sinfo(f"main|8|16000|(null)|up|{limit}")
    text = HEAD + f"product: {{seed: [0, 1, 2]}}\nresources: {{runtime: {minutes + 1}}}\n"
    for job_minutes, runs in ((0, "1 run"), (6, "3 runs")):
        with pytest.raises(InputError, match=f"a job of {runs} .* allows there: {minutes:,};"):
            check_nodes(
                lanes(read(tmp_path, text).runs), profile_of(tmp_path), job_minutes=job_minutes
            )
    if minutes:
        fits = text.replace(str(minutes + 1), str(minutes))
        check_nodes(lanes(read(tmp_path, fits).runs), profile_of(tmp_path), job_minutes=0)
    sinfo("main|8|16000|(null)|up|infinite")
    check_nodes(lanes(read(tmp_path, text).runs), profile_of(tmp_path), job_minutes=6)


def test_what_a_cluster_can_not_run_leaves_nothing_behind(tmp_path, sinfo, capsys):
    sinfo("main|2|4000|(null)|up|infinite")
    path = tmp_path / "g.yaml"
    path.write_text(
        f"notebook: {ROOT / 'notebooks' / '00_run.ipynb'}\n{HEAD}product: {{seed: [0]}}\n"
        "resources: {gpu: 1}\n"
    )
    out = tmp_path / "o"
    assert cli.main(["grid", str(path), "--out", str(out), "--executor", "slurm"]) == 2
    assert "more than any node has" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("executr: x", "unknown key of the profile p 'executr'; did you mean 'executor'"),
        ("slurm-partitoin: {a: 1}", "unknown key of the profile p 'slurm-partitoin'"),
        ("jobs: many", "Snakemake refuses the profile p: .*must be integer"),
        ("default-resources: 5", "Snakemake refuses the profile p: "),
        ("slurm-array-limit: x", "invalid int value: 'x'"),
        ("retries: [1, 2]", "Snakemake refuses the profile p: "),
    ],
)
def test_a_profile_that_snakemake_would_not_take_is_refused_in_one_line(tmp_path, text, said):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "config.yaml").write_text(f"executor: slurm\n{text}\n")
    with pytest.raises(InputError, match=said) as caught:
        check_words(choose(PROFILES, None, str(tmp_path / "p")), [])
    assert "\n" not in str(caught.value)


def test_words_that_snakemake_would_not_take_are_refused_and_others_are_not():
    for words in (["--no-such-option"], ["--jobs", "many"], ["--help"]):
        with pytest.raises(InputError, match="Snakemake refuses --snakemake --"):
            check_words(None, words)
    for name in ("slurm", "kubernetes"):
        check_words(choose(PROFILES, name, None), ["--jobs", "50", "--retries", "1"])


def test_a_slurm_that_does_not_answer_is_named(tmp_path, sinfo, monkeypatch):
    (some,) = [lanes(read(tmp_path, HEAD + "product: {seed: [0]}\n").runs)]
    sinfo("", 1)
    with pytest.raises(InputError, match="Slurm doesn't answer"):
        check_nodes(some, profile_of(tmp_path))
    monkeypatch.setattr(executors.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="there is no sinfo here"):
        check_nodes(some, profile_of(tmp_path))
    check_nodes(some, Profile(tmp_path, "kubernetes", {}))


def test_the_words_for_a_cluster_group_short_runs_on_the_cores_of_one(tmp_path):
    rows = {"a": {"group": 9, "threads": 1}, "b": {"group": 1, "threads": 4}}
    words = cluster_words(rows, Profile(tmp_path, "slurm", {}))
    assert words[words.index("--cores") + 1] == "4"
    assert words[words.index("--groups") + 1 :] == ["a=a", "--group-components", "a=9"]
    assert "--groups" not in cluster_words({"b": rows["b"]}, Profile(tmp_path, "slurm", {}))


def test_the_snakefile_has_one_rule_a_lane_and_asks_for_more_at_each_attempt(tmp_path):
    """The real Snakefile, dry-run by the real Snakemake: no rule for each run."""
    text = HEAD + (
        "blocks:\n  - {product: {seed: [0, 1, 2]}, priority: 5}\n"
        "  - {product: {seed: [3]}, resources: {mem_mb: 7000, runtime: 9}}\n"
    )
    runs = read(tmp_path, text)
    state = tmp_path / "state {a}"  # what Snakemake reads as a wildcard elsewhere
    state.mkdir()
    places = pending.Places(tmp_path / "records", state, tmp_path / "notebooks")
    pending.write(runs.notebook, lanes(runs.runs), places, deadline=None, job_minutes=45)
    command = snakemake_words(ROOT / "benchmark" / "Snakefile", state)
    quiet = command.index("--quiet")
    del command[quiet : quiet + 2]
    done = subprocess.run(
        [*command, "--cores", "2", "--dry-run", "--attempt", "2"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    assert said.count("rule priority_5_1:") == 3 and said.count("rule priority_0_1:") == 1
    assert "mem_mb=14000" in said and "runtime=18" in said


def test_a_run_killed_for_good_is_named_with_what_it_asked_for(tmp_path):
    row, lane = {"parameters": {"seed": 3}}, {"mem_mb": 4000, "runtime": 8}
    assert ends.ended_from_outside(tmp_path, "r", row, lane) == ""
    ends.note_start(tmp_path, "r")
    ends.note_start(tmp_path, "r")
    said = ends.ended_from_outside(tmp_path, "r", row, lane)
    assert "2 times" in said and "4,000 MB" in said and json.dumps({"seed": 3}) in said
    ends.note_end(tmp_path, "r")
    assert ends.ended_from_outside(tmp_path, "r", row, lane) == ""


def test_why_nothing_started_is_read_from_the_log():
    log = "x\nSLURM sbatch failed. The error message was 'sbatch: error: invalid account'\nfoo\n"
    assert ends.why_none_started(log, True) == "sbatch: error: invalid account"
    long = "The error message was 'sbatch: error: one\nsbatch: error: two'.\n    sbatch call:\n"
    assert ends.why_none_started(long, True) == "sbatch: error: one sbatch: error: two"
    job = "Error in rule a:\n    message: SLURM-job '7' failed: 'FAILED'.For further details\n"
    job += "    message: Error in group a\n    message: None\n"
    job += "WorkflowError:\nAt least one job did not complete successfully.\n"
    said = ends.why_none_started(job, True)
    assert (
        "SLURM-job '7' failed: 'FAILED'." in said
        and "further" not in said
        and "same path on the nodes" in said
    )
    assert ends.why_none_started("WorkflowError:\nno such thing\n", False) == "no such thing"
    assert "same path on the nodes" in ends.why_none_started("", True)
    assert ends.why_none_started("", False) == ""
    assert ends.why_none_started("Error: a storage has to be set.\nUsing x\n", True) == (
        "a storage has to be set."
    )
    refused = "  File\nurllib3.exceptions.MaxRetryError: HTTP: refused\n"
    assert ends.why_none_started(refused, True) == "HTTP: refused"


def test_a_call_that_snakemake_refuses_in_silence_is_asked_once_more_aloud(tmp_path):
    """Snakemake's own line for an executor that shares no files and has no storage."""
    pytest.importorskip("snakemake_executor_plugin_kubernetes")
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "config.yaml").write_text("executor: kubernetes\njobs: 1\n")
    runs, state = read(tmp_path, HEAD + "product: {seed: [0]}\n"), tmp_path / "state"
    state.mkdir()
    places = pending.Places(tmp_path / "records", state, tmp_path / "notebooks")
    together = lanes(runs.runs)
    listed = pending.write(runs.notebook, together, places, deadline=None, job_minutes=0)
    chosen = choose(PROFILES, None, str(profile))
    said = call_snakemake(ROOT / "benchmark" / "Snakefile", listed, state, cores=1, profile=chosen)
    assert said.status > 0 and not ends.anything_of(listed)
    why = ends.why_none_started(said.log, True)
    assert "no shared filesystem" in why and "default storage provider" in why
    assert why in (state / "snakemake.log").read_text()
    ends.note_start(state, runs.runs[0].name)
    assert ends.anything_of(listed)


def test_the_profile_for_kubernetes_names_a_storage_below_its_volume():
    settings = yaml.safe_load((PROFILES / "kubernetes" / "config.yaml").read_text())
    volume = settings["kubernetes-persistent-volumes"].split(":")[1]
    assert settings["default-storage-provider"] == "fs"
    assert Path(settings["default-storage-prefix"]).is_relative_to(volume)
    assert "shared-fs-usage" not in settings  # the plugin empties it


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_each_profile_holds_options_that_snakemake_knows(name):
    """A misspelt option of a profile ends Snakemake with its usage; `--help` comes after that."""
    settings = yaml.safe_load((PROFILES / name / "config.yaml").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--help"], capture_output=True, text=True, timeout=300
    )
    for option in settings:
        assert f"--{option} " in done.stdout or f"--{option}\n" in done.stdout, option
