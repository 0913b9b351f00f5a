"""``python -m sslpdl`` is the command line."""

from sslpdl.cli import main

main()
