"""How the manual becomes a site: ``poe site`` writes it to ``.cache/site``; a warning is an error.

The source folder is the repository's root, so that pages may link to what lies
beside ``docs/``; what is viewed asks nobody else for fonts or scripts.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = PROJECT["name"]
html_title = project
extensions = ["myst_parser"]

root_doc = "docs/index"
include_patterns = ["docs/**.md", "examples/**README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
exclude_patterns = [
    ".*",
    "**/.*",
    "backends",
    "benchmarks",
    "build",
    "decoders",
    "plugins",
    "tests",
    "uprobe_*",
]

myst_heading_anchors = 4
myst_links_external_new_tab = False
smartquotes = False

html_theme = "furo"
html_extra_path = ["start"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
