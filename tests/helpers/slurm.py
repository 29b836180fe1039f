"""A Slurm of one node in a temporary folder: its own key, ports and queue, and two fake GPUs."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = (
    "sbatch",
    "srun",
    "squeue",
    "scancel",
    "sinfo",
    "scontrol",
    "sacct",
    "sacctmgr",
    "sshare",
)
SECONDS_TO_START = 30.0

CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
PlugStackConfig={folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
KillWait=2
OverTimeLimit=0
DefMemPerCPU=500
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,bf_interval=2
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


class CannotStartError(Exception):
    """There is no Slurm here that can be started, and why."""


@contextmanager
def one_node_slurm(folder: Path, cpus: int = 4, memory: int = 16000):
    """Start Slurm with its files in a folder; yields the environment for its commands.

    Jobs see as many cores as are said, whatever the machine has.

    Raises:
        CannotStartError: It is not installed, or does not start; with the end of its log.
    """
    missing = [name for name in DAEMONS + CLIENTS if not shutil.which(name)]
    if missing:
        raise CannotStartError(f"not installed: {', '.join(missing)} (packages slurm-wlm, munge)")
    if os.geteuid() != 0:
        raise CannotStartError("only root can start it: munged and slurmd change users")
    _write_files(folder, cpus, memory)
    _write_clients(folder)
    environment = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
    started = []
    try:
        munge = [
            *("munged", "--foreground", "--force", f"--key-file={folder}/munge.key"),
            *(f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid"),
            *(f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"),
        ]
        for command, ready in (
            (munge, ["munge", "-n", f"--socket={folder}/munge.socket"]),
            (["slurmctld", "-D", "-f", f"{folder}/slurm.conf"], ["squeue"]),
            (["slurmd", "-D", "-f", f"{folder}/slurm.conf"], ["srun", "--immediate=2", "true"]),
        ):
            started.append(_start(command, folder, environment))
            _wait_for(ready, started[-1], folder / f"{command[0]}.log", environment)
        try:
            yield environment
        finally:
            _cancel_all(environment)
    finally:
        for process in reversed(started):
            _end(process)


def _write_files(folder, cpus, memory):
    for part in ("state", "spool"):
        (folder / part).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    (folder / "plugstack.conf").touch()
    # slurmd wants a device for each GPU, and looks no further.
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], two.getsockname()[1]
    text = CONF.format(
        host=socket.gethostname().partition(".")[0],
        folder=folder,
        controller_port=ports[0],
        node_port=ports[1],
        cpus=cpus,
        memory=memory,
    )
    (folder / "slurm.conf").write_text(text)


def _write_clients(folder):
    """Commands that know this Slurm; the plugin takes SLURM_CONF out of a job's environment."""
    (folder / "bin").mkdir()
    for name in CLIENTS:
        client = folder / "bin" / name
        path = shutil.which(name)
        client.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {path} "$@"\n')
        client.chmod(0o755)


def _start(command, folder, environment):
    with (folder / f"{command[0]}.out").open("wb") as out:
        return subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, start_new_session=True
        )


def _wait_for(ready, process, log, environment):
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            done = subprocess.run(ready, env=environment, capture_output=True, timeout=10)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return
        time.sleep(0.1)
    texts = [
        path.read_text(errors="replace") for path in (log, log.with_suffix(".out")) if path.exists()
    ]
    raise CannotStartError(f"{process.args[0]} does not start:\n{''.join(texts)[-1500:]}")


def _cancel_all(environment):
    """End what is queued or running; it would outlive the daemons."""
    command = ["scancel", f"--user={os.getuid()}"]
    subprocess.run(command, env=environment, timeout=30, check=True)
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        left = subprocess.run(
            ["squeue", "--noheader"], env=environment, timeout=30, check=True, capture_output=True
        )
        if not left.stdout.strip():
            return
        time.sleep(0.2)


def _end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
