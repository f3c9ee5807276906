"""Sphinx configuration."""

import re

from docutils import nodes
from sphinx.addnodes import tabular_col_spec

import convexrelu

project = "convexrelu"
author = "convexrelu developers"
copyright = f"2026, {author}"
release = version = convexrelu.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_static"]
templates_path = ["_templates"]

# Markdown is for the changelog and the rules for contributing, which lie beside this folder.
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
suppress_warnings = ["myst.xref_missing", "myst.header"]

# Formulas are drawn by a copy of MathJax 3.2.2, so that pages can be read without a network.
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config: dict = {"svg": {"fontCache": "global"}}

# Nor does the build need one: the few names of other packages that the pages mention are in files.
intersphinx_mapping = {
    "scikit-learn": ("https://scikit-learn.org/stable/", "inventories/scikit-learn.txt"),
    "scipy": ("https://docs.scipy.org/doc/scipy/", "inventories/scipy.txt"),
    "torch": ("https://docs.pytorch.org/docs/stable/", "inventories/torch.txt"),
}

# The gallery shows code and its picture, without links to files.
plot_include_source = True
plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 120)]

# Examples are scripts that are run when the pages are built; an error in one is an error of the build.
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "examples",
    "subsection_order": ["../examples/gallery/tutorials", "../examples/gallery/pictures", "*"],
    "filename_pattern": "/plot_",
    "matplotlib_animations": (True, "jshtml"),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (
        "_repr_html_",
    ),  # tables of certificates and pipelines; no addresses of objects
    "show_memory": False,
    "write_computation_times": False,
}

# Each class page lists the members that the class itself defines. Those that come
# from scikit-learn point to labels in scikit-learn's own manual, which do not exist
# here. That includes the metadata setters, which scikit-learn attaches to every
# subclass as if they had been written there.
numpydoc_show_class_members = False
autodoc_default_options = {
    "exclude-members": ", ".join(
        f"set_{method}_request"
        for method in (
            "fit",
            "partial_fit",
            "predict",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
            "score",
            "transform",
            "inverse_transform",
        )
    )
}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the numpydoc sections already give the types

html_theme = "pydata_sphinx_theme"
html_title = f"convexrelu {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "icon_links": [
        {
            "name": "GitHub",
            "url": "https://github.com/convexrelu/convexrelu",
            "icon": "fa-brands fa-github",
        }
    ],
}
html_context = {"default_mode": "auto"}  # without it the theme reports an error
html_sidebars = {"index": []}  # the front page has cards instead


def keep_anchors_of_modules(app, doctree):
    """Give anchors a node of their own that docutils moved to the column widths of a table, which HTML leaves out."""
    for node in list(doctree.findall(tabular_col_spec)):
        if node.get("ids"):
            node.replace_self([nodes.target("", "", ids=node["ids"]), tabular_col_spec()])


def without_network(app, pagename, templatename, context, doctree):
    """Take the icons of animations from the theme, which has them, not from the address that matplotlib writes."""
    if "body" in context:
        context["body"] = re.sub(r"<link[^>]*font-awesome[^>]*>", "", context["body"], flags=re.S)


def setup(app):
    app.connect("doctree-read", keep_anchors_of_modules)
    app.connect("html-page-context", without_network)
