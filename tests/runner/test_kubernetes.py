"""What a cluster of Kubernetes is asked for: the manifests that the real Snakemake and its plugin
make of the profile, sent to a server that only keeps them, and held against the schema.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pretended
import pytest
import yaml

from salun_utils.runner import grid
from salun_utils.runner.grid import pending
from salun_utils.runner.grid.call import call_snakemake
from salun_utils.runner.grid.executors import choose
from salun_utils.runner.grid.resources import lanes

pytest.importorskip("snakemake_executor_plugin_kubernetes")

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "benchmark" / "profiles"
COPY = '#!/bin/sh\nfor word; do from="$to"; to="$word"; done\nexec cp -r "$from" "$to"\n'
GRID = f"""\
notebook: {ROOT / "notebooks" / "00_run.ipynb"}
fixed: {{dataset: digits, train_epochs: 1}}
product: {{seed: [0, 1]}}
minutes_per_run: 10
resources: {{mem_mb: 3000, threads: 2, gpu: 1}}
"""


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> list[tuple[str, dict]]:
    """What the server was sent by a grid of two runs, both tried twice."""
    folder = tmp_path_factory.mktemp("kubernetes")
    for name in ("bin", "profile", "state"):
        (folder / name).mkdir()
    (folder / "bin" / "rsync").write_text(COPY)  # of which no more is needed here
    (folder / "bin" / "rsync").chmod(0o755)
    profile = yaml.safe_load((PROFILES / "kubernetes" / "config.yaml").read_text())
    profile |= {"default-storage-prefix": str(folder / "files"), "retries": 1}
    (folder / "profile" / "config.yaml").write_text(yaml.safe_dump(profile))
    (folder / "g.yaml").write_text(GRID)
    runs = grid.read(folder / "g.yaml")
    places = pending.Places(folder / "records", folder / "state", folder / "notebooks")
    together = lanes(runs.runs)
    listed = pending.write(runs.notebook, together, places, deadline=None, job_minutes=0)
    chosen = choose(PROFILES, "kubernetes", str(folder / "profile"))
    with pytest.MonkeyPatch.context() as patch, pretended.cluster(folder / "kube") as sent:
        patch.setenv("KUBECONFIG", str(folder / "kube"))
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        patch.setenv("HF_TOKEN", "a-secret")
        said = call_snakemake(
            ROOT / "benchmark" / "Snakefile", listed, folder / "state", cores=1, profile=chosen
        )
    assert said.status == 1 and sent, said.log[-2000:]
    return sent


def test_each_manifest_is_one_by_the_schema(sent):
    jobs = [body for what, body in sent if what == "jobs"]
    assert len(jobs) == 4  # two runs, each tried twice
    assert [fault for job in jobs for fault in pretended.faults(job, "V1Job", "job")] == []


def test_the_schema_finds_what_is_wrong(sent):
    job = copy.deepcopy(next(body for what, body in sent if what == "jobs"))
    pod = job["spec"]["template"]["spec"]
    pod["restartPolicy"], pod["tolerance"] = 3, []
    del pod["containers"][0]["name"]
    said = " ".join(pretended.faults(job, "V1Job", "job"))
    assert "restartPolicy: 3 is no str" in said and "V1PodSpec has no such field" in said
    assert "containers[0]: " in said and "`name`" in said


def test_a_pod_gets_image_volume_and_limits_and_more_memory_at_the_second_try(sent):
    settings = yaml.safe_load((PROFILES / "kubernetes" / "config.yaml").read_text())
    claim, path = settings["kubernetes-persistent-volumes"].split(":")
    pods = [body["spec"]["template"]["spec"] for what, body in sent if what == "jobs"]
    for pod in pods:
        (container,) = pod["containers"]
        assert container["image"] == settings["container-image"]
        assert {"name": claim, "mountPath": path} in container["volumeMounts"]
        assert claim in [
            volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["volumes"]
        ]
        limits = container["resources"]["limits"]
        assert limits["cpu"] == "2000m" and limits["nvidia.com/gpu"] == "1"
        assert limits["ephemeral-storage"] == "4000M"  # Snakemake's own default asks for 50 GB
    memory = [pod["containers"][0]["resources"]["limits"]["memory"] for pod in pods]
    assert sorted(memory) == ["3000M", "3000M", "6000M", "6000M"]


def test_what_a_pod_runs_names_files_that_it_has(sent):
    """By paths of the volume, and the Snakefile as it lies among the sources that are sent along:
    a path from one folder to another means something else in a pod.
    """
    for _, body in (pair for pair in sent if pair[0] == "jobs"):
        (container,) = body["spec"]["template"]["spec"]["containers"]
        script = container["args"][-1]
        assert "--snakefile 'Snakefile'" in script and "--deploy-sources /" in script
        assert "--directory /" in script and "pending=/" in script


def test_no_secret_of_the_caller_is_sent(sent):
    assert "a-secret" not in str(sent) and "HF_TOKEN" not in str(sent)
