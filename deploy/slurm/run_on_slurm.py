#!/usr/bin/env python3
"""Runs gros-agent on a Slurm cluster: its parts are collected by workers that Slurm starts as jobs.

    run_on_slurm.py --workers 8 --certificates ~/gros/certificates --folder /scratch/gros -- run --project ABC

The scheduler and the agent run here. What Slurm needs to know is in ~/.config/dask/jobqueue.yaml.
"""

import argparse
import asyncio
import asyncio.subprocess
import os
import secrets
import shlex
import signal
import sys
from contextlib import suppress
from pathlib import Path

import dask
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed.core import Status
from distributed.security import Security

HTTP = "127.0.0.1:0"
"""Dask always serves HTTP: here for nobody."""
LOOK_SECONDS = 30.0
"""Time between two looks at Slurm's queue, for jobs that are gone."""
AGENT_SECONDS, JOBS_SECONDS = 6.0, 3.0
"""Time after a signal: for the agent to end, and then for taking the jobs back."""
PATIENT_SECONDS = 30.0
"""Time for taking the jobs back when the agent has ended by itself."""


def main() -> int:
    """Run the agent on a cluster of jobs. Returns its exit status."""
    given = _arguments()
    dask.config.set(
        {
            "distributed.scheduler.http.routes": [],  # plain HTTP would show the tasks to other users of this machine
            "distributed.deploy.lost-worker-timeout": "1000 days",  # jobs that are gone are found in Slurm's queue
        }
    )
    try:
        return asyncio.run(_run(given))
    except (OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run gros-agent with workers that are Slurm jobs.")
    parser.add_argument("--workers", type=int, required=True, metavar="N", help="number of jobs")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="workers in each job; default 1")
    parser.add_argument("--certificates", type=_shared_path, required=True, metavar="DIR")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="folder for clones on each node")
    parser.add_argument("--wait", type=float, default=600, metavar="SECONDS", help="for all workers; default 600")
    parser.add_argument("--look", type=float, default=LOOK_SECONDS, metavar="SECONDS", help=argparse.SUPPRESS)
    parser.add_argument("agent", nargs="+", metavar="ARGUMENT", help="arguments of gros-agent, after --")
    return parser.parse_args()


def _shared_path(text: str) -> Path:
    """The folder of the certificates. Dask puts it into a shell script as it is, and others must not read it."""
    path = Path(text).expanduser().absolute()
    if shlex.quote(str(path)) != str(path):
        raise argparse.ArgumentTypeError(f"{path} has characters with a meaning in a shell")
    for role in ("coordinator", "scheduler", "worker"):
        if not (path / role / f"{role}.key").is_file():
            raise argparse.ArgumentTypeError(f"{path / role} has no key: make it by gros-agent cluster certificates")
    if path.stat().st_mode & 0o077:
        raise argparse.ArgumentTypeError(f"others can read {path}: chmod 700 {path}")
    return path


def _security(folder: Path) -> Security:
    """TLS for every connection, with a certificate for each role."""
    return Security(
        require_encryption=True,
        tls_ca_file=str(folder / "worker" / "authority.pem"),
        tls_scheduler_cert=str(folder / "scheduler" / "scheduler.pem"),
        tls_scheduler_key=str(folder / "scheduler" / "scheduler.key"),
        tls_worker_cert=str(folder / "worker" / "worker.pem"),
        tls_worker_key=str(folder / "worker" / "worker.key"),
        tls_client_cert=str(folder / "coordinator" / "coordinator.pem"),
        tls_client_key=str(folder / "coordinator" / "coordinator.key"),
    )


def _cluster(given: argparse.Namespace, name: str) -> SLURMCluster:
    """A scheduler in this process, and the description of the jobs; none is submitted yet.

    Slurm would give a job all variables of this process, and keep them. A job gets those that it needs.
    """
    of_site = {key: value or [] for key, value in dask.config.get("jobqueue.slurm").items()}
    return SLURMCluster(
        asynchronous=True,
        job_name=name,
        security=_security(given.certificates),
        cores=given.processes,
        processes=given.processes,
        scheduler_options={"dashboard": False, "dashboard_address": HTTP, **dict(of_site["scheduler-options"])},
        worker_extra_args=["--no-dashboard", "--dashboard-address", HTTP, *of_site["worker-extra-args"]],
        job_extra_directives=["--export=HOME,LANG,PATH", *of_site["job-extra-directives"]],
        job_script_prologue=[
            "umask 077",
            f"export GROS_AGENT_CLUSTER_KEY={given.certificates}/worker/parts.key",
            f'export GROS_AGENT_CLUSTER_FOLDER={shlex.quote(str(given.folder))}/"$SLURMD_NODENAME"',
            'mkdir -p "$GROS_AGENT_CLUSTER_FOLDER"',
            *of_site["job-script-prologue"],
        ],
        local_directory=of_site["local-directory"] or '"$GROS_AGENT_CLUSTER_FOLDER"/dask',
    )


async def _run(given: argparse.Namespace) -> int:
    """Start the cluster, and run the agent until it ends or a signal arrives."""
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stopped, number)
    name = f"gros-agent-{secrets.token_hex(4)}"
    cluster = _cluster(given, name)
    try:
        await cluster
        work = asyncio.create_task(_work(cluster, name, given))
        await asyncio.wait([stopped, work], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        return 128 + stopped.result()
    finally:
        await _take_back(cluster, name, JOBS_SECONDS if stopped.done() else PATIENT_SECONDS)


def _stop(stopped: asyncio.Future[int], number: int) -> None:
    if not stopped.done():
        stopped.set_result(number)


async def _work(cluster: SLURMCluster, name: str, given: argparse.Namespace) -> int:
    await _submit(cluster, given.workers)
    await _wait(cluster, given.workers * given.processes, given.wait)
    keeping = asyncio.create_task(_keep(cluster, name, given))
    try:
        return await _agent(cluster, given)
    finally:
        keeping.cancel()


async def _submit(cluster: SLURMCluster, jobs: int) -> None:
    """Submit the jobs that are missing. Raises RuntimeError with the words of sbatch if it refuses one."""
    while len(cluster.worker_spec) < jobs:
        cluster.worker_spec.update(cluster.new_worker_spec())
    await cluster


async def _wait(cluster: SLURMCluster, workers: int, seconds: float) -> None:
    """Wait for all workers. When the time is over, some are enough."""
    _tell(f"waiting for {workers} workers")
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while _there(cluster) < workers:  # noqa: ASYNC110 (Dask tells it by no event)
                await asyncio.sleep(0.2)
    there = _there(cluster)
    if not there:
        raise RuntimeError(f"no worker was there after {seconds:.0f} s: see squeue, and the logs of the jobs")
    _tell(f"{there} of {workers} workers are there")


def _there(cluster: SLURMCluster) -> int:
    return len(cluster.scheduler.workers) if cluster.scheduler else 0


async def _keep(cluster: SLURMCluster, name: str, given: argparse.Namespace) -> None:
    """Submit jobs anew that are gone, as those whose time limit is over. Slurm's queue tells which are there."""
    while True:
        await asyncio.sleep(given.look)
        try:
            there = set((await _slurm("squeue", "--noheader", "--format=%A", f"--name={name}")).split())
            gone = [worker for worker, job in cluster.workers.items() if job.job_id not in there]
            for worker in gone:
                _tell(f"job {cluster.workers[worker].job_id} is gone, and submitted anew")
                _forget(cluster.workers.pop(worker))
            if gone:
                await _submit(cluster, given.workers)
        except RuntimeError as error:
            _tell(f"Slurm does not answer, or refuses a job: {error}")


async def _agent(cluster: SLURMCluster, given: argparse.Namespace) -> int:
    """Run the agent until it ends. If this is cancelled, it is told to end, and killed if it does not."""
    where = ["--cluster", cluster.scheduler_address, "--cluster-certificates", str(given.certificates / "coordinator")]
    command = [sys.executable, "-m", "gros_agent", *given.agent, *where]
    process = await asyncio.create_subprocess_exec(*command, process_group=0)  # a Ctrl-C reaches it once, by us
    try:
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), AGENT_SECONDS)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
    return 128 - status if status < 0 else status


async def _take_back(cluster: SLURMCluster, name: str, seconds: float) -> None:
    """End all jobs. The name also finds those that Slurm took while they were cancelled."""
    for job in cluster.workers.values():
        _forget(job)
    try:
        async with asyncio.timeout(seconds):
            await _slurm("scancel", f"--name={name}")
            if closing := cluster.close():
                await closing
            await _slurm("scancel", f"--name={name}")
    except (RuntimeError, TimeoutError) as error:
        _tell(f"jobs may be left: scancel --name={name} ({type(error).__name__}: {error})")


def _forget(job: SLURMJob) -> None:
    """Have Dask pass over a job when it closes: one scancel is enough for all, and it does not note that one ended."""
    job.job_id, job.status = None, Status.closed


async def _slurm(*command: str) -> str:
    """Run a command of Slurm for the jobs of this user. Raises RuntimeError if it fails."""
    pipe = asyncio.subprocess.PIPE
    user = f"--user={os.getuid()}"
    process = await asyncio.create_subprocess_exec(*command, user, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(errors.decode(errors="replace").strip())
    return output.decode()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
