"""The command line: each command calls one public function."""

from unetkit.cli.main import app, main

__all__ = ["app", "main"]
