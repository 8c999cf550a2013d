"""The leaderboard as one HTML table, and as files. The table is whole without script;
``book/_static/leaderboard.js`` has DataTables sort, group and filter it on the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

import pandas as pd

from ...metrics import CANT_TELL
from ...runs.readings import READINGS
from ...runs.summary import MEASURES, label
from ...shown import amount
from .rows import AVERAGES, TRAINING, Group, Row

HEAD = (
    "place",
    "method",
    "mask",
    "seeds",
    "UA",
    "RA",
    "TA",
    "MIA",
    "attack, %",
    "average gap",
    "95 % interval",
    "cost, %",
)
NEVER = 1e9  # what a missing figure is sorted by
# readings of the average gap beside that of the column of this name
OTHERS = tuple((r, name) for r in READINGS for name in AVERAGES)[1:]
CAPTION = (
    "Recorded and published runs by data, model and scenario. Small figures are signed gaps to"
    " Retrain, in points. Attack is how often the attack behind MIA is right about pictures that it"
    " was not fitted on, where that was measured; 50 is a coin. Where it can't tell on most seeds,"
    " MIA is no figure, and the average gap is taken without it. The last column opens the settings"
    " of a row: its recipe."
)
WITHOUT_IT = " without MIA"


def title(group: Group) -> str:
    """What a group is called."""
    tier = "published, not measured here" if group.tier == "published" else f"{group.tier} tier"
    return (
        f"{group.data}, {group.model}, {group.scenario}"
        f" ({tier}{'; ' + group.apart if group.apart else ''})"
    )


def cells(row: Row) -> tuple[str, ...]:
    """The texts of a row, as in `HEAD`."""

    def number(value, form):
        return "" if value is None or math.isnan(value) else format(value, form)

    interval = "" if math.isnan(row.low) else f"{row.low:.2f}–{row.high:.2f}"
    scores = {m: number(row.means.get(m), ".1f") for m in MEASURES}
    scores |= {"mia": CANT_TELL} if row.blind else {}
    without = WITHOUT_IT if row.blind else ""
    spent = number(100 * row.cost, ".0f" if row.cost >= 0.1 else ".1f")
    return (
        row.place,
        label(row.method),
        row.mask,
        str(len(row.seeds) or ""),
        *scores.values(),
        row.attack,
        number(row.gap, ".2f") + without,
        interval,
        spent,
    )


def page_table(rows: Sequence[Row], standing: str = "") -> str:
    """The table in a region that scrolls and can be reached by keyboard, the same as files, and a
    line that says how the records behind it stand.
    """
    places = {group: k for k, group in enumerate(dict.fromkeys(row.group for row in rows))}
    others = "".join(_head(" · ".join(key)) for key in OTHERS)  # hidden by place, in the style
    head = "".join(map(_head, ("task", *HEAD))) + others + _head("settings")
    body = "".join(_row(row, places[row.group]) for row in rows)
    stands = f'<p class="standing">{escape(standing)}</p>' if standing else ""
    return (
        '<div class="leaderboard"><div class="leaderboard-scroll" role="region"'
        ' aria-label="Leaderboard" tabindex="0">'
        f"<table><caption>{CAPTION}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
        f"<p>The same as files: {_file('csv', as_csv(rows))}, {_file('json', as_json(rows))}.</p>"
        f"{stands}</div>"
    )


def _head(name: str) -> str:
    return f'<th scope="col">{escape(name)}</th>'


def _row(row: Row, place: int) -> str:
    note = f" <span>{escape(row.group.note)}</span>" if row.group.note else ""
    tds = [_cell(place, escape(title(row.group)) + note), *_shown(row), *_others(row)]
    marks = {
        "data": row.group.data,
        "model": row.group.model,
        "scenario": row.group.scenario,
        "method": label(row.method),
        "kind": "published" if row.kind == "published" else "measured",
    }
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in marks.items())
    return f'\n<tr class="{row.kind}"{data}>{"".join(tds)}{_settings(row)}</tr>'


def _shown(row: Row) -> Iterator[str]:
    """The cells of `HEAD`, each with what it is sorted by."""
    keys = {
        "place": None if row.best is None else row.best + (row.worst or row.best) / 1000,
        "seeds": len(row.seeds) or None,
        "average gap": row.gap,
        "95 % interval": row.low,
        "cost, %": row.cost,
        "attack, %": row.worth,
        **_told({m.upper(): row.means.get(m) for m in MEASURES}, row, "MIA"),
    }
    gaps = _told(row.gaps, row, "mia")
    for name, text in zip(HEAD, cells(row), strict=True):
        shown = escape(text)
        gap = gaps.get(name.lower())
        if gap is not None and row.method != "retrain":
            shown += f" <small>{amount(gap, signed=True)}</small>"
        if name == "method":
            yield f'<th scope="row">{shown}</th>'
        else:
            yield _cell(keys.get(name, text), shown)


def _others(row: Row) -> Iterator[str]:
    """The cells of `OTHERS`: the average gap by other readings."""
    for key in OTHERS:
        value = row.readings.get(key, math.nan)
        text = "" if math.isnan(value) else f"{value:.2f}"
        blind = row.blind and key[0] == "confidence"
        yield _cell(None if blind else value, CANT_TELL if blind else text)


def _settings(row: Row) -> str:
    told = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts(row).items())
    mask = f", {row.mask}" if row.mask else ""
    of = escape(f" of {label(row.method)}{mask}, {row.group.scenario}")
    return (
        f'<td><details><summary>open<span class="for-readers"> the settings{of}</span></summary>'
        f"<dl>{told}</dl></details></td>"
    )


def _cell(key: str | float | None, shown: str) -> str:
    """A cell and what it is sorted by; what has no figure comes last."""
    mark = ""
    if not isinstance(key, str):
        order = NEVER if key is None or math.isnan(key) else key
        mark = f" data-order={order:.5g}".replace("e+0", "e")
    return f"<td{mark}>{shown}</td>"


def _file(kind: str, text: str) -> str:
    data = quote(text, safe=' !$"()*+,-./:;=?@[]_~{}|')
    address = f"data:text/{kind};charset=utf-8,{data}"
    return f"<a download=leaderboard.{kind} href='{address}'>{kind.upper()}</a>"


def as_csv(rows: Sequence[Row]) -> str:
    """One line a row, the readings of the gap among its columns; without names of records."""
    found = pd.DataFrame(map(_plain, rows)).drop(columns=["records", "tuning"])
    return found.to_csv(index=False, float_format="%.4g")


def as_json(rows: Sequence[Row]) -> str:
    """``{"columns": [...], "data": [[...], ...]}``, which `pandas.read_json` takes with
    ``orient="split"``: the names stand there once. What is not known is null.
    """
    found = pd.DataFrame(map(_plain, rows))
    return found.to_json(orient="split", index=False, double_precision=4)


def _plain(row: Row) -> dict[str, object]:
    return {
        **{name: value for name, value in row.group._asdict().items() if name != "apart"},
        "recipe": row.group.apart,
        "method": row.method,
        "mask": row.mask,
        "kind": row.kind,
        "seeds": " ".join(map(str, row.seeds)),
        **_told(row.means, row, "mia"),
        **_told({f"{m}_gap": v for m, v in row.gaps.items()}, row, "mia_gap"),
        "attack": row.worth,
        "attack_tells": None if math.isnan(row.worth) else not row.blind,
        "average_gap": row.gap,
        "low": row.low,
        "high": row.high,
        "cost": row.cost,
        "best_place": row.best,
        "worst_place": row.worst,
        **{
            " · ".join(key): None if row.blind and key[0] == "confidence" else value
            for key, value in row.readings.items()
        },
        "params": _pairs(row.records[0].spec.get("params", {})) if row.records else "",
        "tuning": row.search,
        "records": " ".join(r.id for r in row.records),
    }


def _told(figures: Mapping[str, Any], row: Row, mia: str) -> dict[str, Any]:
    """The figures, that of MIA (under this name) being none where the attack can't tell."""
    return {**figures, mia: None} if row.blind else dict(figures)


def facts(row: Row) -> dict[str, str]:
    """What stands behind a row: spec, seeds, data, device, code and the names of its records."""
    if not row.records:
        return {
            "source": row.group.note.removeprefix("published: "),
            "remarks": "copied, not measured; see the page of published numbers",
        }
    data, spec = row.records[0].data, row.records[0].spec
    said = {name.removeprefix("train_"): spec.get(name) for name in TRAINING}
    training = _pairs({name: value for name, value in said.items() if value is not None})
    sizes = ", ".join(
        f"{data[k]:,} {k}" for k in ("forget", "retain", "validation", "test") if k in data
    )
    note = f" ({row.group.note})" if row.group.note else ""
    same = all(len(set(r.seeds.values())) == 1 for r in row.records)
    return {
        "seeds": (
            ", ".join(map(str, row.seeds))
            + ("" if same else ": " + "; ".join(_pairs(r.seeds) for r in row.records))
        ),
        "data": f"{row.group.data}{note}: {sizes}; fingerprint {data.get('fingerprint', '')[:12]}",
        "network and training": f"{spec.get('arch')}, width {spec.get('width')}, {training}",
        "method": f"{row.method}: {_pairs(spec.get('params', {}))}",
        "tuning": row.search or "not that of a recorded search",
        "mask": f"{spec['mask']}, keep {spec.get('keep')}" if spec.get("mask") else "none",
        "scores": f"protocol {spec.get('protocol')}",
        "attack": _of_attack(row),
        "device": _each(
            f"{r.device.get('name', '')} {r.device.get('processor', '')}".strip()
            for r in row.records
        ),
        "code": _each(
            f"commit {r.code.get('commit', '?')}, torch {r.packages.get('torch', '?')}"
            for r in row.records
        ),
        "records": _each(r.id for r in row.records),
    }


def _of_attack(row: Row) -> str:
    """What is known of the attack behind MIA, for the settings of a row."""
    known = [told for told in row.told if told is not None]
    if not known:
        return "its worth was not measured"
    return f"it {CANT_TELL} on {known.count(False)} of {len(known)} seeds where that was measured"


def _pairs(values: dict) -> str:
    return ", ".join(
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {'none' if v is None else v}"
        for k, v in values.items()
    )


def _each(texts) -> str:
    return "; ".join(dict.fromkeys(texts))
