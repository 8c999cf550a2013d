"""Look at every rendered page in a browser without a network, and print what was checked.

``python book/browse.py [SITE]`` opens each page at 360, 768 and 1440 pixels, light and dark, and
then uses it: the search box, tables and sliders by mouse and keyboard. Ends with the number of
pages, checks and failures, and with status 1 if there is any failure.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import http.server
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import render

ROOT = Path(__file__).resolve().parent.parent
WIDTHS, THEMES = (360, 768, 1440), ("light", "dark")
FIRST_PAGE, ANY_PAGE = 2**20, 5 * 2**20  # bytes, with the pictures and all that a page loads
TEXTS = (".html", ".css", ".js", ".svg", ".json")
NARROW = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [`the page is ${document.documentElement.scrollWidth} pixels wide at ${innerWidth}`]"""
PICTURES = """() => [...document.querySelectorAll("article img")].flatMap(i => [
  ...(i.naturalWidth ? [] : [`${i.src} does not load`]),
  ...(i.alt.trim() ? [] : [`${i.src} has no text alternative`])])"""
CUT = """() => [...document.querySelectorAll("article .cell_output table td")]
  .filter(e => e.textContent.trim().endsWith("…")).map(e => `a cell is cut: ${e.textContent}`)"""
FORMULAS = """() => {
  const count = s => document.querySelectorAll(s).length;
  const [all, drawn] = [count("article .math"), count("article .math mjx-container")];
  const wrong = count("mjx-merror, [data-mjx-error]");
  return [...(drawn < all ? [`${all - drawn} of ${all} formulas are not drawn`] : []),
          ...(wrong ? [`${wrong} formulas are wrong`] : [])]; }"""


class Look:
    """What was checked so far, and what failed."""

    def __init__(self) -> None:
        self.pages, self.checks, self.failures = 0, 0, list[str]()

    def check(self, where: str, faults: list[str]) -> None:
        self.checks += 1
        self.failures += [f"{where}: {fault}" for fault in faults]


def documents(site: Path) -> list[Path]:
    """The pages of the book, the API by one of them, since these are all made alike."""
    found = sorted([*site.glob("book/*.html"), *site.glob("notebooks/*.html")])
    return [p for p in found if not p.name.startswith("api_") or p.name == "api_core.html"]


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """The address at which this machine, and no other, serves the folder."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and writes no line for each."""

    def log_message(self, *_: Any) -> None:
        pass


def opened(browser: Any, address: str, width: int, theme: str) -> tuple[Any, list[str]]:
    """A page that has loaded, and the list that its errors and outside requests go to."""
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
    page, said = context.new_page(), list[str]()
    page.on("console", lambda m: said.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"error: {error}"))

    def outside(route: Any) -> None:
        said.append(f"asks {route.request.url}")
        route.abort()

    page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), outside)
    page.goto(address, wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")
    return page, said


def grave(page: Any) -> list[str]:
    """Accessibility violations that are serious or critical, by axe."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:120]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def size(page: Any, address: str, site: Path) -> int:
    """Bytes of a page and all that it has loaded, texts compressed as hosts of pages send them."""
    names = """() => ["navigation", "resource"].flatMap(k => performance.getEntriesByType(k))
      .map(e => e.name)"""
    paths = {str(name).split("?")[0].removeprefix(address) for name in page.evaluate(names)}
    return sum(sent(file) for path in paths if (file := site / path.lstrip("/")).is_file())


@functools.cache
def sent(file: Path) -> int:
    """Bytes of one file on the wire."""
    data = file.read_bytes()
    return len(gzip.compress(data, 6)) if file.suffix in TEXTS else len(data)


def look_at(browser: Any, address: str, site: Path, name: str, look: Look) -> None:
    """One page at all widths, in both themes."""
    for theme in THEMES:
        for width in WIDTHS:
            page, said = opened(browser, f"{address}/{name}", width, theme)
            where = f"{name} at {width} pixels, {theme}"
            for faults in (NARROW, PICTURES, CUT, FORMULAS):
                look.check(where, page.evaluate(faults))
            if width == WIDTHS[-1]:
                most = FIRST_PAGE if name.endswith("intro.html") else ANY_PAGE
                weight = size(page, address, site)
                look.check(where, [f"{weight:,} bytes"] if weight > most else [])
            look.check(where, list(said))  # before axe looks for style sheets of its own accord
            if width != WIDTHS[1]:  # what scrolls on a telephone fits on a desk
                look.check(where, grave(page))
            page.context.close()
    look.pages += 1


def use(browser: Any, address: str, site: Path, look: Look) -> None:
    """Search for a word; sort tables and move sliders by keyboard."""
    page, said = opened(browser, f"{address}/search.html?q=saliency", 1440, "light")
    with contextlib.suppress(Exception):  # what is not there after five seconds is a failure below
        page.wait_for_selector("#search-results li", timeout=5000)
    hits = page.evaluate("() => document.querySelectorAll('#search-results li').length")
    look.check("search", said + ([] if hits else ["finds nothing for 'saliency'"]))
    page.context.close()
    for path in documents(site):
        html = path.read_text()
        if 'class="leaderboard' in html or 'class="explorer' in html:
            name = str(path.relative_to(site))
            page, said = opened(browser, f"{address}/{name}", 1440, "light")
            look.check(name, [*moved(page), *said])
            page.context.close()


def moved(page: Any) -> Iterator[str]:
    """Faults of the parts of a page that can be moved: buttons of tables, lists, sliders."""
    from playwright.sync_api import TimeoutError as NotInTime

    if page.query_selector(".leaderboard"):
        page.wait_for_selector(".leaderboard-filters")
    for button in page.query_selector_all(".leaderboard thead [role=button]")[:3]:
        button.focus()
        for direction in ("ascending", "descending"):
            page.keyboard.press("Enter")
            try:
                page.wait_for_selector(f".leaderboard th[aria-sort={direction}]", timeout=5000)
            except NotInTime:
                yield f"a head of the table does not sort {direction}"
    for slider in page.query_selector_all(".explorer input[type=range]"):
        shown = "e => e.closest('.explorer').querySelector('output').textContent"
        before = slider.evaluate(shown)
        slider.focus()
        for key in ("Home", "End"):
            page.keyboard.press(key)
            if slider.evaluate(shown) != before:
                break
        else:
            yield "a slider shows nothing new at either end"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "build" / "html")
    site = parser.parse_args().site.resolve()
    if not (site / "index.html").is_file():
        print(f"error: {site} holds no rendered book; make html makes one", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    look = Look()
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=render.browser(), args=flags)
        with served(site) as address:
            for path in documents(site):
                before, name = len(look.failures), str(path.relative_to(site))
                look_at(browser, address, site, name, look)
                print(f"{name}: {len(look.failures) - before} failures", flush=True)
            use(browser, address, site, look)
        browser.close()
    for failure in dict.fromkeys(look.failures):
        print(f"- {failure}")
    print(f"{look.pages} pages, {look.checks} checks, {len(look.failures)} failures")
    return 1 if look.failures else 0


if __name__ == "__main__":
    sys.exit(main())
