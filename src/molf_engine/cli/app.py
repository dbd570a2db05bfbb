"""All commands of `molf-engine`."""

from __future__ import annotations

from typing import Any

from cyclopts import App, ArgumentCollection, Parameter

COMMANDS = {
    "train": "Train a model from sections with measured expression, and write it as a bundle.",
    "predict": "Predict expression for slides; each result is an AnnData, one row per patch.",
    "export": "Write a prediction for QuPath, SpatialData, spreadsheets, as images, figures or a report.",
    "prepare": "Prepare a HEST-layout folder for training: features and counts in one corpus.",
    "evaluate": "Score a bundle beside ridge, MLP and depth-only; nothing is fitted.",
    "select-guidance": "Choose the guidance scale on measured sections by Filter-and-Rank.",
    "benchmark": "Train and score MoLF, its variants and its rivals on the same sections; one report.",
    "routing": "Analyse which experts are used where: tables, figures and tests in one report.",
    "audit-splits": "List test sections that share a patient, a tissue block or an experiment with training.",
    "import-weights": "Turn a checkpoint of the released network into a bundle.",
    "gaussians": "Compare mixture of experts and dense networks on eight Gaussians, beside the exact answers.",
    "models": "List the bundles that this machine knows, with what each has seen and how good it is.",
    "doctor": "Say what is installed, which device will be used, what is missing and how to get it.",
    "simulate": "Draw simulated tissue whose expression is known: a training corpus, or one slide.",
}
"""Said here as well as in the commands themselves, which `--help` does not import."""


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
    return None if default is None or default == "" else str(default)


def _settings_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    from molf_engine.cli.train import fill_from_file

    fill_from_file(app, commands, arguments)
