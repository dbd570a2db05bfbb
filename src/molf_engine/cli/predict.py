"""`molf-engine predict`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from molf_engine.errors import ConfigError

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from molf_engine.cohort.run import Backend
    from molf_engine.cohort.settings import Settings
    from molf_engine.cohort.slides import SlideTask

_SLIDES = Group("Slides and results", sort_key=1)
_MODEL = Group("Model", sort_key=2)
_ESTIMATE = Group("Estimate", sort_key=3)
_COHORT = Group("Many slides", sort_key=4, help="With a folder as the output; docs/cohorts.md has examples.")


def predict(
    slides: Annotated[
        list[Path] | None,
        Parameter(help="Slides, or folders whose slides are taken (hidden files, PNG and JPEG are not)."),
    ] = None,
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            alias="-o",
            group=_SLIDES,
            help="FILE.h5ad or FILE.zarr for one slide; anything else is a folder, a file per slide.",
        ),
    ],
    slide_list: Annotated[
        Path | None,
        Parameter(
            name="--list",
            group=_SLIDES,
            help="CSV with the column slide and any of um_per_pixel, code, features, positions, regions; or a path a line. "
            "Relative to the file; what a row leaves empty is taken from the options.",
        ),
    ] = None,
    um_per_pixel: Annotated[
        float | None, Parameter(group=_SLIDES, help="At full resolution; needed where the slide does not say it.")
    ] = None,
    stride_um: Annotated[
        float | None, Parameter(group=_SLIDES, help="Distance between patches; their side if not given.")
    ] = None,
    positions: Annotated[
        Path | None,
        Parameter(
            group=_SLIDES,
            help="CSV of patch centres in full-resolution pixels, instead of a grid over the tissue; for one slide.",
        ),
    ] = None,
    regions: Annotated[
        Path | None,
        Parameter(
            group=_SLIDES,
            help="GeoJSON of regions, as QuPath exports it: only patches whose centre is inside; for one slide.",
        ),
    ] = None,
    features: Annotated[
        Path | None,
        Parameter(
            group=_SLIDES, help="Features of the bundle's encoder computed elsewhere (.h5, .pt, .npy); for one slide."
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        Parameter(
            negative="", group=_SLIDES, help="Replace existing results; in a folder, those of other settings alone."
        ),
    ] = False,
    cache: Annotated[
        bool, Parameter(group=_SLIDES, help="Keep features, so that a second model or code is quick.")
    ] = True,
    cache_dir: Annotated[
        Path | None,
        Parameter(group=_SLIDES, help="Where to keep them; the environment's MOLF_CACHE_DIR if not given."),
    ] = None,
    model: Annotated[
        str,
        Parameter(alias="-m", group=_MODEL, help="Name or folder of the bundle, see `molf-engine models`."),
    ] = "starter",
    code: Annotated[str, Parameter(group=_MODEL, help="Cancer code that the bundle knows.")] = "Unknown",
    guidance: Annotated[
        float | None, Parameter(group=_MODEL, help="Guidance scale; the bundle's choice if not given.")
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Parameter(group=_MODEL, help="bfloat16: several times as fast for a large model, where the processor has it."),
    ] = "float32",
    estimate: Annotated[
        Literal["mean", "sample", "released"],
        Parameter(
            group=_ESTIMATE,
            help="mean: the conditional mean; sample: draws in many steps; released: two steps from noise.",
        ),
    ] = "mean",
    steps: Annotated[int | None, Parameter(group=_ESTIMATE, help="Euler steps of `sample` and `released`.")] = None,
    draws: Annotated[
        int, Parameter(group=_ESTIMATE, help="Draws to average; from 2 on, their spread is kept as a layer.")
    ] = 1,
    seed: Annotated[int, Parameter(group=_ESTIMATE, help="Seed of the draws.")] = 0,
    guidance_interval: Annotated[
        tuple[float, float],
        Parameter(
            group=_ESTIMATE,
            negative="",
            help="LOW HIGH within 0..1: times at which `sample` and `released` are guided; noise is 0, data 1.",
        ),
    ] = (0.0, 1.0),
    workers: Annotated[
        int | None,
        Parameter(
            group=_COHORT,
            help="Processes on this machine, each with its share of the cores; one crashing costs no other its slide. "
            "This process alone if not given.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        Parameter(group=_COHORT, help="Workers of a dask scheduler: tcp://HOST:PORT, or its scheduler file."),
    ] = None,
    slurm: Annotated[
        bool, Parameter(negative="", group=_COHORT, help="Submit workers as SLURM jobs, and end them at the end.")
    ] = False,
    slurm_options: Annotated[
        list[str] | None,
        Parameter(
            group=_COHORT,
            consume_multiple=True,
            negative="",
            help="NAME=VALUE ...: jobs (1), cores (1) and memory (4GB) of each, walltime (04:00:00), queue, account, "
            "interface, scratch, log; directive and prologue as often as needed.",
        ),
    ] = None,
    slurm_dry_run: Annotated[bool, Parameter(negative="", group=_COHORT, help="Print the job script and end.")] = False,
    shard: Annotated[
        str | None,
        Parameter(
            group=_COHORT,
            help="I/N: every N-th slide by name, from the I-th on, for machines that share a folder and no scheduler.",
        ),
    ] = None,
    retry_failed: Annotated[
        bool, Parameter(negative="", group=_COHORT, help="Try slides again that failed with the same settings.")
    ] = False,
    as_json: Annotated[
        bool, Parameter(name="--json", negative="", group=_COHORT, help="Print the summary as JSON, and nothing else.")
    ] = False,
) -> int:
    """Predict expression for slides; each result is an AnnData, one row per patch.

    Into a folder: the same command again goes on where it was stopped. Exit code 1 if a slide failed; summary.md in the folder says why.
    """
    from molf_engine.bundle import Bundle
    from molf_engine.cli.console import show_error
    from molf_engine.cohort.settings import Settings
    from molf_engine.prediction.predict import Estimation

    where = _Where(workers, scheduler, slurm, tuple(slurm_options or ()), shard)
    if slurm_dry_run:
        return _show_job_script(where)
    tasks = _tasks(slides or [], slide_list, um_per_pixel, code, positions, features, regions)
    where.check(output, len(tasks))
    if positions is not None and stride_um is not None:
        raise ConfigError("--stride-um is for a grid of patches; with --positions there is none.")
    if positions is not None and regions is not None:
        raise ConfigError(
            "--regions and --positions exclude each other: regions limit a grid of patches, and with positions there is none. "
            "Give one of them."
        )
    # A name stays a name: on another machine the package may lie elsewhere.
    source = str(Path(model).resolve()) if Path(model).is_dir() else model
    estimation = Estimation(estimate, steps, draws, seed, guidance_interval)
    settings = Settings(source, guidance, stride_um, estimation, precision)
    to_file = _is_file(output)
    if to_file:
        _prepare_file(output, overwrite)
    bundle = Bundle.load(source)
    if bundle.config.simulated:
        show_error(f"Note: {bundle.name} learned from simulated tissue; on a real slide its values mean nothing.")
    keep = _Keep(cache, cache_dir, overwrite, retry_failed)
    if to_file:
        _predict_one(tasks[0], output, settings, bundle, keep)
        return 0
    return _predict_many(tasks, output, settings, bundle, keep, where, as_json)


@dataclass(frozen=True)
class _Keep:
    """What is kept and what is replaced."""

    cache: bool
    cache_dir: Path | None
    overwrite: bool
    retry_failed: bool


@dataclass(frozen=True)
class _Where:
    """Where slides are predicted."""

    workers: int | None
    scheduler: str | None
    slurm: bool
    slurm_options: tuple[str, ...]
    shard: str | None

    def check(self, output: Path, slides: int) -> None:
        """Refuse options that contradict each other."""
        places = {
            "--workers": self.workers is not None,
            "--scheduler": self.scheduler is not None,
            "--slurm": self.slurm,
        }
        chosen = [name for name, on in places.items() if on]
        if len(chosen) > 1:
            raise ConfigError(f"{' and '.join(chosen)} exclude each other: choose where the slides are predicted.")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers must be at least 1, not {self.workers}.")
        if self.slurm_options and not self.slurm:
            raise ConfigError("--slurm-options needs --slurm.")
        if _is_file(output):
            if slides != 1:
                raise ConfigError(f"{output} takes one slide, not {slides}. For several give a folder.")
            chosen += ["--shard"] if self.shard else []
            if chosen:
                raise ConfigError(f"{chosen[0]} is for many slides; {output} takes one. Give a folder.")

    @contextmanager
    def backend(self) -> Iterator[Backend]:
        """Yield what predicts the slides."""
        from functools import partial

        from molf_engine.cli.console import show_error
        from molf_engine.cohort.processes import predict_here, predict_in_processes

        if self.scheduler is not None:
            from molf_engine.cohort.cluster import connect, predict_on_cluster

            with connect(self.scheduler) as client:
                if not client.scheduler_info()["workers"]:
                    show_error("The scheduler has no workers yet; waiting for them.")
                yield partial(predict_on_cluster, client=client)
        elif self.slurm:
            from molf_engine.cohort.cluster import connect, predict_on_cluster
            from molf_engine.cohort.slurm import make_cluster, parse_slurm_options

            options = parse_slurm_options(self.slurm_options)
            with make_cluster(options) as cluster, connect(cluster.scheduler_address) as client:
                cluster.scale(jobs=options.jobs)
                show_error(f"{options.jobs} SLURM jobs submitted; slides start when the first of them does.")
                yield partial(predict_on_cluster, client=client)
        elif self.workers is not None and self.workers > 1:
            yield partial(predict_in_processes, workers=self.workers)
        else:
            yield predict_here


def _is_file(output: Path) -> bool:
    from molf_engine.prediction.storage import SUFFIXES

    return output.suffix in SUFFIXES


def _tasks(
    slides: list[Path],
    table: Path | None,
    um_per_pixel: float | None,
    code: str,
    positions: Path | None,
    features: Path | None,
    regions: Path | None,
) -> list[SlideTask]:
    from molf_engine.cohort.slides import SlideTask, find_slides, read_list, with_defaults

    tasks = [SlideTask(path) for path in find_slides(slides)] + ([] if table is None else read_list(table))
    if not tasks:
        raise ConfigError("No slide is given: name slides or folders, or a table of them with --list.")
    if (positions or features or regions) and len(tasks) > 1:
        raise ConfigError(
            "--positions, --features and --regions belong to one slide; for several, name them in the columns of a --list."
        )
    return with_defaults(
        tasks, um_per_pixel=um_per_pixel, code=code, positions=positions, features=features, regions=regions
    )


def _prepare_file(output: Path, overwrite: bool) -> None:
    from molf_engine.files import make_parent, refuse_existing

    refuse_existing(output, overwrite)
    make_parent(output)


def _predict_one(task: SlideTask, output: Path, settings: Settings, bundle: Bundle, keep: _Keep) -> None:
    from molf_engine.cli.console import progress_bar, say
    from molf_engine.cohort.one import feature_cache, predict_file
    from molf_engine.prediction import write_prediction

    with progress_bar() as progress:
        kept = feature_cache(keep.cache, keep.cache_dir)
        adata = predict_file(task, settings, bundle, cache=kept, progress=progress)
        write_prediction(adata, output, overwrite=keep.overwrite)
    look = (
        f"{int(adata.obs['unfamiliar'].sum()):,} look unlike the training slides"
        if "unfamiliar" in adata.obs
        else "whether they look like the training slides is not known"
    )
    say(f"{output}: {adata.n_obs:,} patches, {adata.n_vars:,} genes; {look}")


def _predict_many(
    tasks: list[SlideTask],
    output: Path,
    settings: Settings,
    bundle: Bundle,
    keep: _Keep,
    where: _Where,
    as_json: bool,
) -> int:
    from molf_engine.cli.cohort_view import cohort_view, show_plan, show_summary
    from molf_engine.cohort.run import prepare
    from molf_engine.cohort.slides import absolute, parse_shard, refuse_equal_names
    from molf_engine.cohort.slides import shard as take_share

    refuse_equal_names(tasks)
    if where.shard is not None:
        tasks = take_share(tasks, *parse_shard(where.shard))
    cohort = prepare(
        absolute(tasks),
        output.resolve(),
        settings,
        bundle,
        overwrite=keep.overwrite,
        retry_failed=keep.retry_failed,
        cache=keep.cache,
        cache_dir=None if keep.cache_dir is None else keep.cache_dir.resolve(),
    )
    show_plan(cohort.plan, output)
    with where.backend() as backend, cohort_view(len(cohort.plan.todo), output, quiet=as_json) as report:
        end = cohort.run(report, backend)
    return show_summary(end, cohort.plan, output, as_json=as_json)


def _show_job_script(where: _Where) -> int:
    from molf_engine.cli.console import say
    from molf_engine.cohort.slurm import make_cluster, parse_slurm_options

    with make_cluster(parse_slurm_options(where.slurm_options)) as cluster:
        say(cluster.job_script().rstrip())
    return 0
