"""``python -m argoscope``."""

from argoscope.cli import main

main(prog_name="argoscope")
