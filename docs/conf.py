"""How Sphinx builds these pages: ``make docs``. Nothing is fetched, so they build without a network."""

from __future__ import annotations

import sys
from pathlib import Path

from pallets_sphinx_themes import get_version

# The directive of our own.
sys.path.insert(0, str(Path(__file__).parent))

project = "Flask-Pooled"
release, version = get_version("Flask-Pooled", placeholder="")

extensions = ["sphinx.ext.autodoc", "pallets_sphinx_themes", "click_commands"]
exclude_patterns = ["_build", "*_table.rst"]
default_role = "code"

# Signatures as they are written, defaults included.
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# A class is described by its own docstring and the parameters of its constructor.
autoclass_content = "both"
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "flask"
html_title = f"Flask-Pooled {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {
    "index": ["localtoc.html", "searchbox.html"],
    "**": ["localtoc.html", "relations.html", "searchbox.html"],
}
# The theme's banner would ask a package index for the newest version.
version_banner = False
