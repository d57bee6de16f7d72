"""Settings of the book.  `build.py` copies this folder's text beside the pages it makes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tinygrad_edu

project = "tinygrad_edu"
copyright = "the authors of tinygrad_edu"
author = "the authors of tinygrad_edu"
release = version = tinygrad_edu.__version__
html_title = "tinygrad_edu"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design", "mathml"]

# Pages are MyST Markdown or notebooks; lessons come with their outputs, tutorials are run here.
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["lessons/notebooks"]
nb_execution_mode = "force"
nb_execution_excludepatterns = ["lessons/*"]
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js = {}  # widgets leave a picture behind: nothing is fetched from elsewhere
suppress_warnings = ["myst.header"]  # a lesson's headings begin at the second level in some cells

# Mathematics is turned into MathML here, so that no script is needed to show it.
html_math_renderer = "mathml"

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#005A8F",
        "color-brand-content": "#005A8F",
        "color-brand-visited": "#9C3D72",
    },
    "dark_css_variables": {
        "color-brand-primary": "#56B4E9",
        "color-brand-content": "#56B4E9",
        "color-brand-visited": "#E3A0C6",
    },
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
