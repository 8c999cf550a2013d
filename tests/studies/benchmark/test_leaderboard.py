"""The leaderboard: places by hand, rows by configuration, HTML that says what the text says."""

from __future__ import annotations

import io
import math
import shutil
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from salun_utils.runs import Record
from salun_utils.studies.benchmark.leaderboard import (
    Board,
    Group,
    Row,
    leaderboard,
    placed,
    published_rows,
)
from salun_utils.studies.benchmark.page import HEAD, OTHERS, as_csv, as_json, cells, facts, title
from salun_utils.unlearning import METHODS

ROOT = Path(__file__).resolve().parents[3]
TASK = Group("cpu", "fashion-mini", "small-cnn", "random-10")


def row(low: float, high: float, *, kind: str = "method", seeds: int = 3) -> Row:
    middle = (low + high) / 2
    return Row(TASK, "ft", "", kind, tuple(range(seeds)), {}, {}, middle, low, high, 0.1)


def record(
    method="ft",
    seed=1,
    gap=2.0,
    mask=None,
    created="2026-01-01",
    tier="cpu",
    scores=True,
    ua=None,
    **spec,
) -> Record:
    rule = mask or METHODS[method].mask
    own = {
        "method": method,
        "mask": rule,
        "keep": 0.5,
        "seed": seed,
        "params": {} if method == "retrain" else {"lr": 0.1},
        "arch": "small-cnn",
        **spec,
    }
    data = {
        "name": "fashion-mini",
        "scenario": "random-10",
        "note": "a note",
        "forget": 900,
        "fingerprint": "f00d" * 8,
    }
    gaps = {"ua": -(gap if ua is None else ua), "ra": gap, "ta": -gap, "mia": gap, "average": gap}
    figures = {"scores": {"ua": 10.0, "ra": 97.0, "ta": 88.0, "mia": 12.0}, "gap": gaps}
    name = f"{method}-{rule}-{seed}-{created}-{spec}"
    return Record(
        id=name,
        tier=tier,
        created=created,
        spec=own,
        data=data,
        seeds={"unlearning": seed},
        **(figures if scores else {}),
    )


def runs(method: str, gaps, **more) -> list[Record]:
    return [record(method, seed, gap, **more) for seed, gap in enumerate(gaps, 1)]


def attacked(records: list[Record], accuracies, retrain: float = 61.0) -> list[Record]:
    """With attacks of these balanced accuracies on the networks, and of one on their Retrain."""

    def worth(value: float) -> dict:
        sides = {"members": 900, "nonmembers": 900}
        return {"balanced_accuracy": value, "low": value - 1, "high": value + 1} | sides

    return [
        r.model_copy(
            update={
                "scores": r.scores | {"attack": worth(value)},
                "reference": {"attack": worth(retrain)},
            }
        )
        for r, value in zip(records, accuracies, strict=True)
    ]


def measured(*parts: list[Record]) -> Board:
    return leaderboard([r for part in parts for r in part], with_published=False)


def test_a_second_retrain_is_named_and_stands_beside_the_first():
    again = [
        r.model_copy(update={"spec": {**r.spec, "params": {"epochs": 8}}})
        for r in runs("retrain", [0.5, 0.6, 0.7])
    ]
    board = measured(runs("ft", [0.1, 0.2, 0.3]), again, runs("retrain", [0, 0, 0]))
    assert [cells(r)[1] for r in board.rows] == ["Retrain", "another Retrain", "FT"]
    assert all(r.place == "" for r in board.rows)


class TestPlaces:
    def test_separate_intervals_give_one_place_each(self):
        assert [r.place for r in placed([row(3, 4), row(1, 2), row(5, 6)])] == ["2", "1", "3"]

    def test_overlapping_intervals_share_places_which_is_not_transitive(self):
        assert [r.place for r in placed([row(1, 2), row(1.8, 3), row(2.5, 4)])] == [
            "1–2",
            "1–3",
            "2–3",
        ]

    def test_intervals_that_touch_overlap(self):
        assert [r.place for r in placed([row(1, 2), row(2, 3)])] == ["1–2", "1–2"]

    @pytest.mark.parametrize(
        "other",
        [
            row(0, 1, kind="variant"),
            row(0, 1, kind="reference"),
            row(0, 1, seeds=2),
            row(math.nan, math.nan),
        ],
    )
    def test_who_does_not_race_has_no_place_and_moves_nobody(self, other):
        assert [r.place for r in placed([other, row(2, 3), row(4, 5)])] == ["", "1", "2"]

    def test_there_is_no_place_in_a_race_of_one(self):
        assert placed([row(1, 2)])[0].place == ""


class TestRows:
    def test_seeds_of_one_configuration_make_one_row(self):
        (found,) = measured(runs("ft", [1.0, 2.0, 6.0])).rows
        assert (found.seeds, found.gap, found.kind) == ((1, 2, 3), 3.0, "method")
        assert found.gaps == {"ua": -3.0, "ra": 3.0, "ta": -3.0, "mia": 3.0}
        assert 1.0 <= found.low < 3.0 < found.high <= 6.0

    def test_a_seed_run_twice_counts_once_by_its_latest_record(self):
        (found,) = measured(
            [record(gap=9.0, created="2026-02-02"), record(gap=1.0, created="2026-01-01")]
        ).rows
        assert (found.gap, len(found.records)) == (9.0, 1)

    def test_masks_are_rows_of_their_own_without_a_place(self):
        board = measured(
            runs("salun", [1, 1.1, 1.2]),
            runs("salun", [2, 2.1, 2.2], mask="random"),
            runs("ft", [3, 3.1, 3.2]),
        )
        assert [(r.method, r.mask, r.kind, r.place) for r in board.rows] == [
            ("salun", "saliency", "method", "1"),
            ("salun", "random", "variant", ""),
            ("ft", "", "method", "2"),
        ]

    def test_earlier_settings_of_a_method_stay_as_a_variant(self):
        tuned = runs("ft", [1, 2, 3], created="2026-03-01", params={"lr": 0.3})
        board = measured(runs("ft", [4, 5, 6]), tuned, runs("rl", [7, 8, 9]))
        shown = [(r.method, r.kind, r.gap, r.place) for r in board.rows]
        assert shown == [
            ("ft", "method", 2, "1"),
            ("ft", "variant", 5, ""),
            ("rl", "method", 8, "2"),
        ]

    def test_retrain_comes_first_and_neither_it_nor_the_original_has_a_place(self):
        board = measured(
            runs("original", [5, 6, 7]),
            runs("ft", [1, 2, 3]),
            runs("rl", [8, 9, 9]),
            runs("retrain", [0, 0, 0]),
        )
        assert [(r.method, r.place) for r in board.rows] == [
            ("retrain", ""),
            ("ft", "1"),
            ("original", ""),
            ("rl", "2"),
        ]

    def test_other_recipes_are_other_groups_and_are_named_apart(self):
        board = measured(
            runs("ft", [1, 2, 3], train_epochs=10), runs("ft", [1, 2, 3], train_epochs=20)
        )
        assert sorted(group.apart for group in board.groups) == [
            "train_epochs 10",
            "train_epochs 20",
        ]

    def test_where_the_attack_cannot_tell_on_most_seeds_the_gap_is_without_mia(self):
        """Two of three seeds have a coin: all three are averaged without MIA, so that one row is
        one measure. One of three is said, and changes nothing.
        """
        coins = attacked(runs("ft", [8.0, 8.0, 8.0], ua=1.0), [50.2, 50.3, 61.0])
        once = attacked(runs("rl", [8.0, 8.0, 8.0], ua=1.0), [50.2, 60.0, 61.0])
        (blind, seeing) = measured(coins, once).rows
        assert (blind.method, blind.blind, blind.gap) == ("ft", True, (1 + 8 + 8) / 3)
        assert blind.low == blind.high == blind.gap and blind.attack == "can't tell"
        shown = dict(zip(HEAD, cells(blind), strict=True))
        assert (shown["MIA"], shown["average gap"]) == ("can't tell", "5.67 without MIA")
        assert (seeing.blind, seeing.gap) == (False, 8.0)
        assert seeing.attack == "57.1 (1 of 3 can't tell)"
        unmeasured = measured(runs("ft", [8.0, 8.0])).rows[0]
        assert (unmeasured.blind, unmeasured.attack, unmeasured.gap) == (False, "", 8.0)

    def test_an_attack_that_is_a_coin_on_retrain_is_one_for_the_row(self):
        coins = attacked(runs("ft", [8.0, 8.0, 8.0]), [61.0] * 3, retrain=50.0)
        assert measured(coins).rows[0].blind

    def test_records_without_scores_are_counted_and_left_out(self):
        board = measured([record(scores=False), record()])
        assert (len(board.rows), board.left_out) == (1, 1)

    def test_no_records_leave_the_published_rows_alone(self):
        board = leaderboard([])
        assert {row.kind for row in board.rows} == {"published"}
        assert repr(measured()) == "There are no recorded runs yet."

    def test_published_rows_follow_measured_ones_of_the_same_task(self):
        paper = runs("ft", [1, 2, 3], tier="paper", arch="resnet18")
        here = [r.model_copy(update={"data": {**r.data, "name": "cifar10"}}) for r in paper]
        groups = leaderboard(here).groups
        assert [(g.tier, g.scenario) for g in groups[:2]] == [
            ("paper", "random-10"),
            ("published", "random-10"),
        ]


def test_published_rows_carry_the_published_average_gap_and_no_interval():
    salun = next(
        r for r in published_rows() if r.method == "salun" and r.group.scenario == "random-50"
    )
    assert (salun.gap, salun.place, round(salun.gaps["ra"], 2)) == (2.65, "", -5.72)
    assert math.isnan(salun.low)


class TestPage:
    @pytest.fixture
    def board(self):
        return leaderboard(
            runs("ft", [1, 2, 3]) + runs("salun", [4, 5, 6], mask="random") + runs("rl", [7, 8, 9])
        )

    @pytest.fixture
    def soup(self, board):
        return pytest.importorskip("bs4").BeautifulSoup(board._repr_html_(), "html.parser")

    def test_every_row_says_the_same_as_the_text_and_opens_its_settings(self, board, soup):
        lines = soup.select("tr[data-method]")
        assert len(lines) == len(board.rows)
        for line, known in zip(lines, board.rows, strict=True):
            for small in line.select("small"):
                small.extract()
            task, *shown = (cell.get_text().strip() for cell in line.find_all(["td", "th"]))
            assert task.startswith(title(known.group))
            assert tuple(shown[: len(HEAD)]) == cells(known)
            told = [dd.get_text() for dd in line.select("details dd")]
            assert told == list(facts(known).values())

    def test_settings_name_seeds_data_device_code_and_records(self, board):
        told = facts(next(r for r in board.rows if r.method == "ft" and r.records))
        assert told["seeds"] == "1, 2, 3"
        assert all(r.id in told["records"] for r in board.rows[0].records)
        assert {"data", "method", "mask", "device", "code"} <= set(told)

    def test_the_same_can_be_had_as_files(self, board, soup):
        kinds = [link["download"] for link in soup.select("a[download]")]
        assert kinds == ["leaderboard.csv", "leaderboard.json"]
        for link, text in zip(soup.select("a[download]"), (as_csv, as_json), strict=True):
            assert unquote(link["href"].partition(",")[2]) == text(board.rows)
        read = pd.read_csv(io.StringIO(as_csv(board.rows)))
        assert list(read.average_gap) == pytest.approx([r.gap for r in board.rows], nan_ok=True)
        read = pd.read_json(io.StringIO(as_json(board.rows)), orient="split")
        assert [r.split() for r in read.records] == [
            [record.id.replace(" ", "") for record in row.records] for row in board.rows
        ]

    def test_where_the_attack_cannot_tell_page_and_files_have_no_figure_of_it(self):
        board = measured(attacked(runs("ft", [8.0, 8.0, 8.0], ua=1.0), [50.0] * 3))
        soup = pytest.importorskip("bs4").BeautifulSoup(board._repr_html_(), "html.parser")
        (line,) = soup.select("tr[data-method]")
        texts = [cell.get_text() for cell in line.find_all(["td", "th"])]
        assert texts.count("can't tell") == 2 + 1  # MIA, the attack, its gap of means
        assert "12.0" not in " ".join(texts) and "5.67 without MIA" in texts
        assert "Where it can't tell on most seeds" in soup.caption.get_text()
        (read,) = pd.read_json(io.StringIO(as_json(board.rows)), orient="split").to_dict("records")
        assert read["mia"] is read["mia_gap"] is None or math.isnan(read["mia"])
        assert (read["average_gap"], read["attack"]) == (pytest.approx(5.6667), 50.0)
        assert not read["attack_tells"]
        assert "it can't tell on 3 of 3 seeds" in facts(board.rows[0])["attack"]

    def test_every_attack_has_its_average_gap(self):
        truth = {"confidence": 10.0, "correctness": 10, "entropy": 0, "m_entropy": 0, "prob": 0}
        found = {key: value + 4 for key, value in truth.items()} | {"prob": 8.0}
        (row,) = leaderboard(
            [
                r.model_copy(
                    update={
                        "scores": {**r.scores, "mia_variants": found},
                        "reference": {"ua": 12.0, "ra": 97.0, "ta": 86.0, "mia_variants": truth},
                    }
                )
                for r in runs("ft", [1, 2, 3])
            ],
            with_published=False,
        ).rows
        assert row.readings["confidence", "mean of gaps"] == (2 + 0 + 2 + 4) / 4
        assert row.readings["all probabilities", "gap of means"] == (2 + 0 + 2 + 8) / 4
        assert row.readings["without MIA", "mean of gaps"] == pytest.approx(4 / 3)
        assert set(OTHERS) < set(row.readings)

    def test_what_comes_from_records_is_escaped(self):
        harmful = [
            r.model_copy(update={"data": {**r.data, "note": "<script>alert(1)</script>"}})
            for r in runs("ft", [1, 2, 3])
        ]
        assert "<script" not in leaderboard(harmful)._repr_html_()


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.slow
@pytest.mark.xdist_group("site")
class TestInABrowser:
    @pytest.fixture
    def page(self, tmp_path):
        if CHROMIUM is None:
            pytest.skip("no chromium on this machine")
        sync_api = pytest.importorskip("playwright.sync_api")
        static = ROOT / "book" / "_static"
        board = leaderboard(
            runs("ft", [1, 2, 3]) + runs("salun", [4, 5, 6]) + runs("rl", [7, 8, 9])
        )
        path, home = tmp_path / "page.html", static.as_uri()
        path.write_text(
            "<!doctype html><meta charset=utf-8>"
            f'<link rel=stylesheet href="{home}/leaderboard.css">{board._repr_html_()}'
            f'<script src="{home}/leaderboard.js"></script>'
        )
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            page = browser.new_page()
            page.goto(path.as_uri())
            page.wait_for_selector(".leaderboard-filters")
            yield page
            browser.close()

    @staticmethod
    def seen(page) -> list[str]:
        visible = (
            "[...document.querySelectorAll('tr[data-method]')].filter(r => r.checkVisibility())"
        )
        return page.evaluate(f"{visible}.map(r => r.dataset.method)")

    def test_filters_leave_what_fits_and_say_how_much(self, page):
        page.get_by_label("data").first.select_option("fashion-mini")
        assert self.seen(page) == ["FT", "SalUn", "RL"]
        page.get_by_label("method").first.select_option("SalUn")
        assert self.seen(page) == ["SalUn"]
        assert page.get_by_role("status").inner_text().startswith("1 of ")
        page.get_by_role("button", name="show all").click()
        page.get_by_label("show").select_option("published")
        assert "FT" in self.seen(page)
        assert page.evaluate(
            "[...document.querySelectorAll('tr[data-method]')].every(r => r.dataset.kind ==="
            " 'published')"
        )

    def test_headings_sort_by_keyboard_and_say_so(self, page):
        page.get_by_label("show").select_option("measured")
        heading = page.get_by_role("button", name="average gap")
        heading.focus()
        for direction, order in (
            ("ascending", ["FT", "SalUn", "RL"]),
            ("descending", ["RL", "SalUn", "FT"]),
        ):
            page.keyboard.press("Enter")
            page.wait_for_selector(f"th[aria-sort={direction}]")  # sorted when it is drawn anew
            assert self.seen(page) == order
        assert (
            page.get_by_role("columnheader", name="average gap").get_attribute("aria-sort")
            == "descending"
        )
        groups = "[...document.querySelectorAll('tr.dtrg-group')].map(r => r.innerText)"
        assert len(page.evaluate(groups)) == 1

    def test_the_gap_can_be_read_under_another_attack(self, page):
        page.get_by_label("MIA by").select_option("without MIA")
        page.locator("label", has_text="average gap").locator("select").select_option(
            "gap of means"
        )
        assert "without MIA · gap of means" in page.locator("thead").inner_text()
        page.get_by_role("button", name="show all").click()
        assert "without MIA" not in page.locator("thead").inner_text()

    def test_the_settings_of_a_row_open_by_keyboard(self, page):
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("details[open] dt").first.inner_text() == "seeds"
