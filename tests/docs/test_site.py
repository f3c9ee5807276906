"""The built pages in a browser without a network, at the widths of a screen and of a phone.

``make check-site`` runs this on what ``make docs`` has built.
"""

import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 800}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

# What no reader should see: formulas and roles as they are written, and formulas that could not be drawn.
FAULTS_ON_PAGE = r"""
() => {
  const faults = [];
  const raw = /\\\(|\\\)|\\\[|\\\]|\\begin\{|\\[dt]?frac|\$\$|:(math|class|func|meth|mod|ref|doc):`/;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("pre, code, script, style, mjx-container")) continue;
    if (!node.parentElement.checkVisibility({ visibilityProperty: true })) continue;
    if (raw.test(node.data)) faults.push("raw: " + node.data.trim().slice(0, 80));
  }
  for (const one of document.querySelectorAll("[data-mml-node=merror], .problematic, .system-message"))
    faults.push("error: " + one.textContent.slice(0, 80));
  for (const image of document.images)
    if (image.complete && image.naturalWidth === 0) faults.push("image: " + image.src);
  return faults;
}
"""
# By how many pixels the page, or the column of its text, is wider than the window.
TOO_WIDE = """
() => [document.documentElement, ...document.querySelectorAll(".bd-article-container")]
  .reduce((most, one) => Math.max(most, one.scrollWidth - one.clientWidth), 0)
"""
ALL_DRAWN = "() => window.MathJax?.startup?.promise"


@pytest.fixture(scope="module")
def pages():
    """Every built page."""
    folder = os.environ.get("CONVEXRELU_SITE")
    if not folder:
        pytest.skip("`make check-site` says where the built pages are")
    found = sorted(Path(folder).resolve().rglob("*.html"))
    found = [page for page in found if "_static" not in page.parts]
    if not found:
        pytest.skip(f"no built pages in {folder}: run `make docs` first")
    return found


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, if the system has one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs a Chromium on the path")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


def test_every_page_opens_without_fault(pages, browser):
    context = browser.new_context(viewport=WIDE, offline=True)
    page, faults = context.new_page(), []
    page.on("console", lambda said: said.type == "error" and faults.append((name, said.text)))
    page.on("pageerror", lambda error: faults.append((name, str(error))))
    page.on("requestfailed", lambda request: faults.append((name, request.url)))
    for path in pages:
        name = path.name
        page.set_viewport_size(WIDE)
        page.goto(path.as_uri())
        page.evaluate(ALL_DRAWN)
        faults += [(name, fault) for fault in page.evaluate(FAULTS_ON_PAGE)]
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            excess = page.evaluate(TOO_WIDE)
            if excess > 1:  # what rounding may add
                faults.append((name, f"{excess} pixels too wide at a width of {size['width']}"))
    assert not faults, "\n".join(f"{name}: {fault}" for name, fault in faults)


class Links(HTMLParser):
    """The anchors of a page, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.targets = {"", "top"}, set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes.get("id"), attributes.get("name")}
        target = attributes.get("href") or attributes.get("src")
        if target and not urlsplit(target).scheme and not target.startswith("//"):
            self.targets.add(target)


def test_every_link_leads_somewhere(pages):
    links = {page: Links(page) for page in pages}
    broken = []
    for page, found in links.items():
        for target in found.targets:
            parts = urlsplit(target)
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchors = links[path].anchors if path in links else {unquote(parts.fragment)}
            if not path.exists() or unquote(parts.fragment) not in anchors:
                broken.append((page.name, target))
    assert not broken, "\n".join(f"{name}: {target}" for name, target in broken)
