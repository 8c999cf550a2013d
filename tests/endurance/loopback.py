"""A Slurm cluster of one node on this machine's loopback, in a folder of its own: nothing in
``/etc`` is touched, and another Slurm on the machine isn't in the way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={port_of_node}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
SlurmctldTimeout=60
SlurmdTimeout=300
ReturnToService=2
MinJobAge=900
KillWait=2
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=closed Nodes=ALL MaxTime=INFINITE State=INACTIVE
PartitionName=short Nodes=ALL MaxTime=1 State=UP
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no such cluster here; "" when there can. Installs it where it may."""
    if os.geteuid() != 0:
        return "only root may start a Slurm cluster"
    if not all(map(_where, DAEMONS + COMMANDS)) and shutil.which("apt-get"):
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends"]):
            packages = ["slurm-wlm", "munge"] if words[0] == "install" else []
            subprocess.run(
                ["apt-get", *words, *packages],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                timeout=900,
            )
    absent = [name for name in DAEMONS + COMMANDS if not _where(name)]
    return f"slurm-wlm and munge can't be installed ({', '.join(absent)})" if absent else ""


def _where(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Slurm:
    """The daemons of a cluster in `folder`; `environment` is that of commands that use it, `hidden`
    a folder that the node doesn't share.
    """

    def __init__(self, folder: Path, *, cpus: int, memory: int, hidden: Path | None = None):
        self.folder = folder
        self.hidden = hidden
        self.conf = folder / "slurm.conf"
        for name in ("controller", "node"):
            (folder / name).mkdir(parents=True)
        ports = _free_ports(2)
        self.conf.write_text(
            CONF.format(
                host=socket.gethostname().split(".")[0],
                folder=folder,
                port=ports[0],
                port_of_node=ports[1],
                cpus=cpus,
                memory=memory,
            )
        )
        self.environment = self._environment()
        self.processes: dict[str, subprocess.Popen] = {}

    def _environment(self) -> dict[str, str]:
        """Commands of this Slurm come first. Naming the configuration in the environment isn't
        enough: Snakemake's plugin takes it away inside a job.
        """
        programs = self.folder / "bin"
        programs.mkdir()
        for name in COMMANDS:
            command = programs / name
            command.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {_where(name)} "$@"\n')
            command.chmod(0o755)
        return {**os.environ, "PATH": f"{programs}:{os.environ.get('PATH', '')}"}

    def start(self) -> None:
        """Start all daemons; returns once the node is idle."""
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._start_one(
            "munged",
            *("--foreground", "--force", f"--socket={self.folder}/munge.socket"),
            *(f"--key-file={key}", f"--pid-file={self.folder}/munged.pid"),
            *(f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed"),
        )
        while not (self.folder / "munge.socket").exists():
            time.sleep(0.1)
        self.start_controller()
        self._start_one("slurmd", "-D", "-N", "node", "-f", str(self.conf))
        deadline = time.monotonic() + 60
        while "idle" not in self.ask("sinfo", "--noheader", "--format", "%T"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the node never came up; see {self.folder}/slurmd.log")
            time.sleep(0.5)

    def start_controller(self) -> None:
        """Start slurmctld, for the first time or again."""
        self._start_one("slurmctld", "-D", "-f", str(self.conf))

    def kill_controller(self) -> None:
        """End slurmctld without a warning."""
        process = self.processes.pop("slurmctld")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def ask(self, *words: str) -> str:
        """What a command of Slurm's prints; "" when it fails."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def noted(self) -> str:
        """What the controller wrote to its log so far."""
        log = self.folder / "slurmctld.log"
        return log.read_text() if log.is_file() else ""

    def stop(self) -> None:
        """End all jobs and daemons."""
        self.ask("scancel", "--full", "--state=RUNNING")
        self.ask("scancel", "--state=PENDING")
        for process in reversed(self.processes.values()):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()

    def _start_one(self, program: str, *words: str) -> None:
        command = [str(_where(program)), *words]
        if program == "slurmd" and self.hidden:  # the node has an empty folder in its place
            script = 'mount -t tmpfs none "$0" && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, str(self.hidden), *command]
        with open(self.folder / f"{program}.out", "ab") as out:
            self.processes[program] = subprocess.Popen(
                command, stdout=out, stderr=out, env=self.environment
            )


@contextlib.contextmanager
def cluster(folder: Path, *, cpus: int, memory: int, hidden: Path | None = None) -> Iterator[Slurm]:
    """A running cluster, stopped at the end whatever happens; its node doesn't see what is in the
    folder `hidden`.
    """
    slurm = Slurm(folder, cpus=cpus, memory=memory, hidden=hidden)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
