"""All commands of `molf-engine`."""

from __future__ import annotations

from typing import Any

from cyclopts import App, ArgumentCollection, Parameter

_GOES_ON = "Interrupted, the same command goes on where it was."
COMMANDS = {
    "train": f"Train a model from sections with measured expression, and write it as a bundle.\n\n{_GOES_ON} With --training.devices N, N "
    "processes share every step's slides (also as tasks of SLURM's srun, or under torchrun).",
    "predict": "Predict expression for slides; each result is an AnnData, one row per patch.\n\nIn a folder of results, the same "
    "command goes on where it was.",
    "export": "Write a prediction for QuPath, SpatialData, spreadsheets, as images, figures or a report.",
    "prepare": "Prepare a HEST-layout folder for training: features and counts in one corpus.\n\n"
    f"{_GOES_ON} Sections that are added to the folder later are added to the corpus; a broken one is left out and named.",
    "evaluate": "Score a bundle beside ridge, MLP and depth-only; nothing is fitted.\n\nPCC of each gene over the spots of a section, mean "
    "over genes. Depth-only draws every gene from the total counts that ridge sees in the image: what tissue density alone gives.",
    "select-guidance": "Choose the guidance scale on measured sections by Filter-and-Rank.",
    "benchmark": "Train and score MoLF, its variants and its rivals on the same sections; one report.\n\nEverything is "
    f"trained on the training sections of each split, for each seed, and scored once on its test sections. {_GOES_ON}",
    "routing": "Analyse which experts are used where: tables, figures and tests in one report.",
    "audit-splits": "List test sections that share a patient, a tissue block or an experiment with training.",
    "import-weights": "Turn a checkpoint of the released network into a bundle.",
    "gaussians": "Compare mixture of experts and dense networks on eight Gaussians, beside the exact answers.",
    "models": "List the bundles that this machine knows, with what each has seen and how good it is.",
    "doctor": "Say what is installed, which device will be used, what is missing and how to get it.",
    "simulate": "Draw simulated tissue whose expression is known: a training corpus, or one slide.",
}
"""Said here as well as in the commands themselves, which `--help` does not import; the list shows the first line."""


def make_app() -> App:
    """Build the command line; commands are imported when they are called."""
    from molf_engine import __version__

    app = App(
        name="molf-engine",
        help="Gene expression from H&E slides with a mixture of latent flows. Predicted, not measured: research use only.",
        version=__version__,
        help_on_error=False,
        print_error=True,
        suppress_keyboard_interrupt=False,
        # Without: a flag --empty-NAME for every list.
        default_parameter=Parameter(negative_iterable=(), show_default=_shown),
        help_epilogue="`--debug` after any command shows the whole traceback of an error.",
    )
    app.command("molf_engine.cli.train:train", name="train", help=COMMANDS["train"], config=_settings_file)
    for name in list(COMMANDS)[1:]:
        function = name.replace("-", "_")
        app.command(f"molf_engine.cli.{function}:{function}", name=name, help=COMMANDS[name])
    return app


def _shown(default: Any) -> str | None:
    """How `--help` shows a default; none: it does not."""
    if isinstance(default, tuple | list):
        return " ".join(map(str, default)) or None
    # A flag is off unless it is given: that need not be said.
    return None if default is None or default is False or default == "" else str(default)


def _settings_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    from molf_engine.cli.train import fill_from_file

    fill_from_file(app, commands, arguments)
