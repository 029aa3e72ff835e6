"""How the documentation is built. What repeats the code is made from the code: see generated.py beside this file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import generated

import unetkit

project = "unetkit"
version = release = unetkit.__version__
project_copyright = "the unetkit authors"
html_title = "unetkit"
html_theme = "furo"
html_static_path: list[str] = []
html_copy_source = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

default_role = "literal"  # docstrings write code in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Source", "Yields"]


def fill_in(app: Any, name: str, source: list[str]) -> None:
    """Put what is generated in the place of its mark, `{{ name }}` alone on a line."""
    source[0] = generated.fill_in(source[0])


def always_anew(app: Any, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Pages that hold generated parts change with the code, and not with their own file."""
    return [name for name in env.found_docs if generated.MARK.search(Path(env.doc2path(name)).read_text("utf-8"))]


def plain_stars(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Shapes such as `N C *S` are no emphasis."""
    lines[:] = [generated.without_emphasis(line) for line in lines]


def setup(app: Any) -> None:
    """Tell Sphinx."""
    app.connect("source-read", fill_in)
    app.connect("env-get-outdated", always_anew)
    app.connect("autodoc-process-docstring", plain_stars, priority=100)
