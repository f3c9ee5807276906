"""Sphinx configuration."""

import convexrelu

project = "convexrelu"
author = "convexrelu developers"
copyright = f"2026, {author}"
release = version = convexrelu.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# The gallery shows code and its picture, without links to files.
plot_include_source = True
plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 120)]

# Examples are scripts that are run when the pages are built; an error in one is an error of the build.
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "examples",
    "filename_pattern": "/plot_",
    "matplotlib_animations": (True, "jshtml"),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
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
