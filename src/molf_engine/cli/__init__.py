"""The command line, `molf-engine`.  The only part of the engine that talks to a terminal.

Each command has a module of its own and imports what it needs when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
import traceback


def main(arguments: list[str] | None = None) -> None:
    """Run `molf-engine`.  Exit code 2 for a user's mistake, 1 for ours; tracebacks only with `--debug`."""
    from cyclopts import CycloptsError

    from molf_engine.cli.app import make_app
    from molf_engine.cli.console import set_up_logging, show_error
    from molf_engine.errors import Cancelled, MolfError

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
    set_up_logging(debug)
    try:
        make_app()(arguments, exit_on_error=False)
    except CycloptsError:
        sys.exit(2)  # cyclopts has said what is wrong
    except MolfError as error:
        if debug:
            traceback.print_exc()
        else:
            show_error(str(error))
        sys.exit(2)
    except (KeyboardInterrupt, Cancelled):
        show_error("Stopped.")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        show_error(
            f"This is a mistake of ours: {type(error).__name__}: {error}. Run it again with --debug for the details."
        )
        sys.exit(1)
