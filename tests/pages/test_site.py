"""The rendered book: built with warnings as errors, every link goes somewhere, nothing is fetched,
and a browser shows it right.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_spec = importlib.util.spec_from_file_location("render", ROOT / "book" / "render.py")
render = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(render)
_spec = importlib.util.spec_from_file_location("browse", ROOT / "book" / "browse.py")
browse = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(browse)
# One worker does all that looks at the site, where pytest-xdist can group tests.
site_test = [pytest.mark.slow, pytest.mark.xdist_group("site")]


def toc_documents() -> list[str]:
    """Documents of the table of contents, in its order, without suffix; the API pages are listed by
    a pattern.
    """
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    reference = [f"book/{page}" for page in render.api_pages()]
    listed = [entry for chapter in chapters for entry in (chapter, *chapter.get("sections", []))]
    return [toc["root"]] + [
        name
        for entry in listed
        for name in (reference if entry.get("glob") == "book/api_*" else [entry["file"]])
    ]


def test_every_page_and_chapter_is_in_the_table_of_contents():
    prose = {f"book/{page.stem}" for page in (ROOT / "book").glob("*.md")}
    reference = {f"book/{page}" for page in render.api_pages()}
    chapters = {f"notebooks/{notebook.stem}" for notebook in (ROOT / "notebooks").glob("*.py")}
    assert sorted(toc_documents()) == sorted(prose | reference | chapters), "edit _toc.yml"


def test_the_api_documents_what_stands_in_the_files_of_packages(tmp_path):
    render.write_api(tmp_path)
    named = re.findall(
        r"^\.\. automodule:: (\S+)$",
        "".join(page.read_text() for page in sorted(tmp_path.glob("api_*.md"))),
        re.M,
    )
    assert len(named) == len(set(named)), "twice would be two entries of one name"
    assert {"salun_utils.unlearning", "salun_utils.unlearning.masks"} <= set(named)
    assert {"salun_utils.data", "salun_utils.runs.tuning", "salun_utils.models"} <= set(named)
    text = (tmp_path / "api_unlearning.md").read_text()
    own = ".. automodule:: {}\n   :members:\n   :ignore-module-all:\n"
    for package in ("salun_utils.unlearning", "salun_utils.unlearning.masks"):
        assert own.format(package) in text
    assert ":no-members:" not in text


def test_the_bibliography_cites_each_work_once_and_gives_ids_in_form():
    text = (ROOT / "book" / "references.bib").read_text()
    keys = re.findall(r"^@\w+\{(\S+),", text, re.M)
    ids = re.findall(r"eprint = \{(.+?)\}", text)
    assert len(keys) == len(set(keys))
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}", i) for i in ids)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """Folder of the HTML built from the committed outputs, once for all workers."""
    base = tmp_path_factory.getbasetemp()
    out = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    command = [sys.executable, str(ROOT / "book" / "render.py"), "--out", str(out)]
    with FileLock(f"{out}.lock"):
        if not (out / "html").is_dir():  # rendering moves it there when it is whole
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
            assert done.stdout.splitlines()[-1] == str(out / "html" / "index.html")
    return out / "html"


@cache
def parsed(page: Path):
    from bs4 import BeautifulSoup

    return BeautifulSoup(page.read_text(), "html.parser")


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a link into a page may name."""
    named = {tag["id"] for tag in parsed(page).find_all(id=True)}
    return frozenset(named | {tag["name"] for tag in parsed(page).select("a[name]")})


def pages_of(site: Path) -> list[Path]:
    """Pages of the book itself: the documents of the table of contents."""
    return [site / f"{document}.html" for document in toc_documents()]


class TestPages:
    pytestmark = site_test

    def test_every_document_has_a_page_with_one_title(self, site):
        for page in pages_of(site):
            assert len(parsed(page).select("article h1")) == 1, page

    def test_internal_links_and_anchors_resolve(self, site):
        broken = []
        for page in site.rglob("*.html"):
            if "_static" in page.parts:
                continue
            for link in parsed(page).select("a[href]"):
                parts = urlsplit(link["href"])
                if parts.scheme or parts.netloc:
                    continue
                target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
                if not target.exists():
                    broken.append(f"{page.relative_to(site)}: {link['href']} is missing")
                    continue
                here = parts.fragment and target.suffix == ".html"
                if here and unquote(parts.fragment) not in anchors(target):
                    broken.append(f"{page.relative_to(site)}: {link['href']} has no such anchor")
        assert not broken, "\n".join(broken)

    def test_no_page_asks_another_host_for_anything(self, site):
        outside = []
        for page in site.rglob("*.html"):
            if "_static" in page.parts:
                continue
            for tag in parsed(page).select(
                "script[src], img[src], iframe[src], source[src], video[src], link[href]"
            ):
                address = tag.get("src") or tag["href"]
                passive = tag.name == "link" and set(tag.get("rel", [])) & {
                    "canonical",
                    "license",
                    "author",
                    "edit",
                }
                if urlsplit(address).netloc and not passive:
                    outside.append(f"{page.relative_to(site)}: {address}")
        assert not outside, "\n".join(outside)

    def test_every_picture_has_a_text_alternative(self, site):
        for page in pages_of(site):
            for image in parsed(page).select("article img"):
                assert len(image.get("alt", "").split()) >= 3, (
                    f"{page.relative_to(site)}: {image.get('src')} has alt={image.get('alt')!r}"
                )

    def test_chapters_have_a_colab_button_that_points_at_their_notebook(self, site):
        for page in pages_of(site):
            if page.parent.name == "notebooks":
                links = [
                    a["href"]
                    for a in parsed(page).select("a[href^='https://colab.research.google.com']")
                ]
                assert any(link.endswith(f"notebooks/{page.stem}.ipynb") for link in links), page


@pytest.fixture(scope="module")
def browser():
    """A Chromium without network: whatever is not a local file fails."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


def open_page(browser, path: Path, width: int):
    """A page that has loaded; ``page.outside`` holds the addresses it asked for outside of the
    site.
    """
    page = browser.new_context(
        viewport={"width": width, "height": 900}, reduced_motion="reduce"
    ).new_page()
    page.outside = []
    page.route(
        re.compile(r"^https?:"),
        lambda route: (page.outside.append(route.request.url), route.abort()),
    )
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")
    return page


@pytest.fixture(scope="module")
def wide(site, browser, document):
    """The document in a window of 1440 pixels, as on a desk."""
    page = open_page(browser, site / f"{document}.html", 1440)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def narrow(site, browser, document):
    """The document in a window of 360 pixels, as on a telephone."""
    page = open_page(browser, site / f"{document}.html", 360)
    yield page
    page.context.close()


def overflow(page) -> list[str]:
    """What reaches beyond the right edge of the window, unless its parent scrolls."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
             [...document.querySelectorAll("article *")]
             .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
             .slice(0, 5).map(e => e.outerHTML.slice(0, 120))
             .concat([`the page is ${document.documentElement.scrollWidth} pixels wide`])"""
    )


WIDEST = 640  # as in book/_ext/accessible.py: pictures up to there fill a narrow screen
MOST_SCROLLED = 1  # tables, outputs and cells of all chapters that a desk's screen can't show whole
SCROLLED = """where => [...document.querySelectorAll(
    `${where} :is(.salun-table, .cell_output, .cell_output pre, .cell_input pre)`)]
  .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
  .map(e => `${e.className || e.tagName} ${e.scrollWidth} > ${e.clientWidth}`)"""


SEEN = (
    "s => [...document.querySelectorAll(s)].filter(e => e.checkVisibility() &&"
    " e.getBoundingClientRect().height > 0).length"
)


# The API pages are all made alike, so a browser looks at one of them.
SHOWN = [
    name for name in toc_documents() if not name.startswith("book/api_") or name == "book/api_core"
]


@pytest.mark.parametrize("document", SHOWN, scope="module")
class TestInABrowser:
    pytestmark = site_test

    def test_one_header_and_one_search_box(self, wide):
        assert wide.evaluate(SEEN, "header.bd-header, .bd-header-article") == 1
        assert wide.evaluate(SEEN, "input[type=search], .search-button__button") == 1
        assert wide.evaluate("document.querySelectorAll('input[type=search]').length") == 1

    def test_mathematics_is_drawn_without_a_network(self, wide):
        count = "document.querySelectorAll('article .math').length"
        wide.wait_for_function(
            f"document.querySelectorAll('article .math mjx-container').length >= {count}"
        )
        assert (
            wide.evaluate("document.querySelectorAll('mjx-merror, [data-mjx-error]').length") == 0
        )
        assert wide.outside == []

    def test_no_serious_accessibility_violation(self, wide):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        grave = [
            v
            for v in axe.run(wide).response["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert not grave, "\n".join(
            f"{v['id']}: {v['help']}\n   {[n['html'][:160] for n in v['nodes'][:4]]}" for v in grave
        )

    def test_tables_and_sliders_move_by_keyboard(self, wide, document):
        if document == "book/explore":
            assert wide.locator(".explorer input[type=range]").count() == 4
        assert list(browse.moved(wide)) == []

    def test_nothing_runs_over_the_edge(self, wide, narrow):
        assert overflow(wide) == []
        assert overflow(narrow) == []

    def test_pictures_load_and_stay_legible_on_a_narrow_screen(self, narrow):
        sizes = (
            "[...document.querySelectorAll('article img')].map(i => [i.src, i.naturalWidth,"
            " i.getBoundingClientRect().width])"
        )
        for source, natural, shown in narrow.evaluate(sizes):
            assert natural > 0, f"{source} does not load"
            # Drawn by a chapter: as large as it is, or 600 pixels and scrolling; not much larger
            # ones fill the screen, their labels half as high at worst. So do the drawings of the
            # prose pages.
            least = 600 if source.endswith(".png") and natural > WIDEST else 250
            assert shown >= min(natural, least) - 1, f"{source} is {shown:.0f} pixels wide"

    def test_a_chapter_opens_with_folds_an_answer_and_a_picture_on_one_screen(
        self, site, wide, document
    ):
        if not re.match(r"notebooks/(?!00_)\d\d_", document):
            pytest.skip("no chapter")
        folds = wide.locator(".salun-folds summary").all_inner_texts()
        assert folds[:2] == ["Colab", "Parameters"] and len(set(folds)) == len(folds), folds
        assert wide.evaluate(SCROLLED, ".salun-opening") == []
        bottom = (
            "document.querySelector('.salun-opening img').getBoundingClientRect().bottom + scrollY"
        )
        assert wide.evaluate(bottom) <= 900
        whole = wide.locator(".salun-opening a:has(> img)").first.get_attribute("href")
        assert (site / "notebooks" / whole).is_file(), "a click shows the picture as it was drawn"
        first = wide.locator(".salun-folds summary").first
        first.focus()
        wide.keyboard.press("Enter")
        assert wide.evaluate("document.querySelector('.salun-folds details').open")
        wide.keyboard.press("Enter")

    def test_what_scrolls_can_be_reached_by_keyboard(self, narrow):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        only = {"runOnly": {"type": "rule", "values": ["scrollable-region-focusable"]}}
        faults = axe.run(narrow, options=only).response["violations"]
        assert not faults, [node["html"][:160] for fault in faults for node in fault["nodes"]]


class TestWidths:
    pytestmark = site_test

    def test_no_more_of_the_chapters_scrolls_sideways_than_did(self, site, browser):
        """Prints what does."""
        scrolled = []
        for page in pages_of(site):
            if page.parent.name == "notebooks":
                shown = open_page(browser, page, 1440)
                scrolled += [f"{page.stem}: {one}" for one in shown.evaluate(SCROLLED, "article")]
                shown.context.close()
        print("\n".join(["", *scrolled]))
        assert len(scrolled) <= MOST_SCROLLED, "\n".join(scrolled)
