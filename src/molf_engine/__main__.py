"""`python -m molf_engine` is `molf-engine`."""

from molf_engine.cli import main

main()
