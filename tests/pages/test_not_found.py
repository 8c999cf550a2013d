"""The page for addresses without a page leads back into the book, from any folder."""

from __future__ import annotations

import importlib.util
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_spec = importlib.util.spec_from_file_location("render_404", ROOT / "book" / "render.py")
render = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(render)


class Links(HTMLParser):
    """The addresses of the links, and everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a":
            self.links.append(given["href"])
        elif "src" in given or tag == "link":
            self.fetched.append(str(given))


def links() -> Links:
    found = Links()
    found.feed(render.not_found())
    return found


def test_it_links_to_the_first_page_of_every_part_and_fetches_nothing():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    firsts = [f"{part['chapters'][0]['file']}.html" for part in toc["parts"]]
    assert links().links == [*firsts, "search.html", f"{toc['root']}.html"]
    assert links().fetched == []
    for page in firsts:
        stem = ROOT / page.removesuffix(".html")
        assert stem.with_suffix(".md").is_file() or stem.with_suffix(".ipynb").is_file()


def test_the_folders_it_knows_are_those_of_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    used = {c["file"].split("/")[0] for part in toc["parts"] for c in part["chapters"]}
    assert used <= set(render.FOLDERS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "root"),
    [
        ("/gone.html", "/"),
        ("/notebooks/99_gone.html", "/"),
        ("/salun-book/book/gone.html", "/salun-book/"),
        ("/salun-book/gone.html", "/salun-book/"),
        ("/salun-book/notebooks/deep/gone", "/salun-book/"),
    ],
)
def test_in_a_browser_its_links_begin_at_the_root_of_the_book(asked, root):
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page()
        page.route(
            "**", lambda r: r.fulfill(status=404, body=render.not_found(), content_type="text/html")
        )
        page.goto(f"http://book.test{asked}")
        found = page.evaluate("[...document.querySelectorAll('a')].map(a => a.pathname)")
        said = page.locator("#asked").inner_text()
        browser.close()
    assert said == asked
    assert found == [root + link for link in links().links]
