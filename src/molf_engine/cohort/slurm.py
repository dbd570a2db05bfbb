"""Workers as SLURM jobs, through dask-jobqueue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from molf_engine.cohort.cluster import silence_dask
from molf_engine.errors import ConfigError


@dataclass(frozen=True)
class SlurmOptions:
    """What to ask SLURM for; a worker is one job, and predicts one slide at a time.

    Attributes
    ----------
    jobs : int
        Workers.
    cores : int
        Cores of each, all of them for its slide.
    memory : str
        Of each; a worker above 95 % of it is ended and its slide tried again.
    walltime : str
        Of each; a slide that is cut off goes back to the queue.
    queue, account : str or None
        Partition and account.
    interface : str or None
        Network interface that reaches the machine of the command, such as `ib0`.
    scratch, log : str or None
        Folder for dask's own files on the node, and for the output of the jobs.
    directive, prologue : tuple of str
        Further `#SBATCH` lines, and shell lines before the worker starts (`module load ...`); each may be given several times.
    """

    jobs: int = 1
    cores: int = 1
    memory: str = "4GB"
    walltime: str = "04:00:00"
    queue: str | None = None
    account: str | None = None
    interface: str | None = None
    scratch: str | None = None
    log: str | None = None
    directive: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()


def parse_slurm_options(pairs: Sequence[str]) -> SlurmOptions:
    """``["jobs=8", "memory=6GB"]`` as options.

    Raises
    ------
    ConfigError
        If a name is unknown or a value is none.
    """
    kinds = {field.name: field.type for field in fields(SlurmOptions)}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not value or name not in kinds:
            raise ConfigError(f"--slurm-options {pair}: give NAME=VALUE; the names are {', '.join(kinds)}.")
        if kinds[name] == "int":
            if not value.isdecimal() or not int(value):
                raise ConfigError(f"--slurm-options {pair}: {name} is a number from 1 on.")
            values[name] = int(value)
        elif name in ("directive", "prologue"):
            values[name] = (*values.get(name, ()), value)
        else:
            values[name] = value
    return SlurmOptions(**values)


def make_cluster(options: SlurmOptions) -> Any:
    """Start a scheduler here whose workers will be SLURM jobs; none is submitted yet.

    Raises
    ------
    ConfigError
        If dask-jobqueue is not installed, or an option makes no sense to it.
    """
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise ConfigError(f'--slurm needs dask-jobqueue: pip install "napari-molf[cluster]" ({error}).') from error
    silence_dask()
    try:
        return SLURMCluster(
            # To dask a worker has one core, so that it is given one slide at a time; that slide uses them all.
            cores=1,
            processes=1,
            job_cpu=options.cores,
            job_script_prologue=[f"export OMP_NUM_THREADS={options.cores}", *options.prologue],
            memory=options.memory,
            walltime=options.walltime,
            queue=options.queue,
            account=options.account,
            interface=options.interface,
            local_directory=options.scratch,
            log_directory=options.log,
            job_extra_directives=list(options.directive),
            scheduler_options={"dashboard": False, "dashboard_address": ":0"},
        )
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise ConfigError(f"SLURM jobs cannot be set up: {error}. See --slurm-options.") from error
