"""All commands of `molf-engine`."""

from __future__ import annotations

from cyclopts import App, ArgumentCollection


def make_app() -> App:
    """Build the command line; commands are imported when they are called."""
    from molf_engine import __version__

    app = App(
        name="molf-engine",
        help="Gene expression from H&E slides with a mixture of latent flows. Predicted, not measured: research use only.",
        version=__version__,
        help_on_error=False,
        print_error=True,
        help_epilogue="`--debug` after any command shows the whole traceback of an error.",
    )
    app.command("molf_engine.cli.train:train", name="train", config=_settings_file)
    for name in ("predict", "evaluate", "models", "doctor", "simulate"):
        app.command(f"molf_engine.cli.{name}:{name}", name=name)
    return app


def _settings_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    from molf_engine.cli.train import fill_from_file

    fill_from_file(app, commands, arguments)
