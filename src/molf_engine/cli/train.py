"""`molf-engine train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, ArgumentCollection, Parameter
from cyclopts.config import Dict as Settings

from molf_engine.config import RunConfig, read_settings, validate
from molf_engine.errors import ConfigError

DEFAULTS = RunConfig()


def train(
    config: Annotated[Path, Parameter(help="Settings of the run, TOML or YAML.")],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="Folder of the new bundle.")],
    data: Annotated[
        Path | None, Parameter(help="HEST-layout folder or prepared corpus; overrides data.path of the settings.")
    ] = None,
    split: Annotated[
        str | None,
        Parameter(
            help="A split, as a folder, a file, published-0 or published-1: train on it, choose by its validation, and score its test "
            "sections, whatever the settings name. SPLIT:ROLE: the sections to train on, alone."
        ),
    ] = None,
    sections: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Ids of the sections to train on.")
    ] = (),
    panel: Annotated[
        str | None,
        Parameter(
            help="Gene panel; short for --data.panel: molf-1386, hallmark, hallmark+hvg, corpus, or a file with one symbol a line."
        ),
    ] = None,
    start: Annotated[
        str | None,
        Parameter(
            name="--from",
            help="Name or folder of a bundle to go on from: its weights, encoder, panel and shape are kept.",
        ),
    ] = None,
    overwrite: Annotated[bool, Parameter(negative="", help="Replace an existing bundle.")] = False,
    settings: Annotated[RunConfig, Parameter(name="*")] = DEFAULTS,
) -> None:
    """Train a model from sections with measured expression, and write it as a bundle.

    Interrupted and started again with the same settings, it goes on where it was.  With --training.devices N, N processes share
    every step's slides (also as tasks of SLURM's srun, or under torchrun).
    """
    from molf_engine.bundle import Bundle
    from molf_engine.cli.console import progress_bar, say
    from molf_engine.cli.scores import show_scores
    from molf_engine.cli.sections import split_ids, whole_split
    from molf_engine.encoders import FeatureCache
    from molf_engine.training.devices import is_main_process
    from molf_engine.training.run import train as run

    changes: dict[str, Any] = {}
    if data is not None:
        changes["path"] = data.resolve()
    whole, notes = whole_split(split, changes.get("path", settings.data.path)) if split else (None, [])
    for note in notes if is_main_process() else ():
        say(note)
    if whole is not None:
        if sections:
            raise ConfigError("--sections and a whole --split both say what to train on. Use one of the two.")
        changes |= {"sections": whole.train, "validation": whole.validation, "test": whole.test}
    elif chosen := (*sections, *(split_ids(split) if split else ())):
        changes["sections"] = chosen
    if panel is not None:
        changes["panel"] = panel
    if changes:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update=changes)})
    with progress_bar() as progress:
        bundle = run(
            settings,
            output,
            cache=FeatureCache(),
            start=Bundle.load(start) if start is not None else None,
            overwrite=overwrite,
            progress=progress,
        )
    if not is_main_process():
        return
    say(f"{bundle.path}: {bundle.card_line}; guidance {bundle.config.guidance:g}")
    for role in ("validation", "test"):
        if rows := bundle.metrics[role]:
            show_scores(
                f"{role.capitalize()} sections: mean PCC",
                rows,
                elsewhere=f"{bundle.path / 'metrics.json'}",
                notes=[bundle.metrics["protocol"]],
            )


def fill_from_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take what the command line leaves open from the settings file that it names."""
    tokens = next((argument.tokens for argument in arguments if "CONFIG" in argument.names), [])
    if tokens:
        path = Path(tokens[0].value)
        values = read_settings(path)
        validate(values, str(path))
        Settings(values, use_commands_as_keys=False, source=str(path))(app, commands, arguments)
