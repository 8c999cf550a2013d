"""The leaderboard as one HTML table. It is whole without script; ``book/_static/leaderboard.js``
adds sorting and filters on the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ...runs.summary import MEASURES, label
from .rows import Group, Row

HEAD = (
    "place",
    "method",
    "mask",
    "seeds",
    "UA",
    "RA",
    "TA",
    "MIA",
    "average gap",
    "95 % interval",
    "cost, %",
)
CAPTION = (
    "Recorded and published runs, grouped by data, model and scenario. Small figures are signed"
    " gaps to Retrain, in points. The triangle before a row opens its settings."
)


def title(group: Group) -> str:
    """What a group is called."""
    tier = "published, not measured here" if group.tier == "published" else f"{group.tier} tier"
    return (
        f"{group.data}, {group.model}, {group.scenario}"
        f" ({tier}{'; ' + group.apart if group.apart else ''})"
    )


def cells(row: Row) -> tuple[str, ...]:
    """The texts of a row: place, method, mask, seeds, UA, RA, TA, MIA, gap, interval, cost."""

    def number(value, form):
        return "" if value is None or math.isnan(value) else format(value, form)

    interval = "" if math.isnan(row.low) else f"{row.low:.2f}–{row.high:.2f}"
    scores = (number(row.means.get(m), ".1f") for m in MEASURES)
    spent = number(100 * row.cost, ".0f" if row.cost >= 0.1 else ".1f")
    return (
        row.place,
        label(row.method),
        row.mask,
        str(len(row.seeds) or ""),
        *scores,
        number(row.gap, ".2f"),
        interval,
        spent,
    )


def page_table(rows: Sequence[Row], standing: str = "") -> str:
    """The table in a region that scrolls and can be reached by keyboard, with a line that says how
    the records behind it stand.
    """
    groups = dict.fromkeys(row.group for row in rows)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in HEAD)
    bodies = "".join(_body(group, [r for r in rows if r.group == group]) for group in groups)
    stands = f'<p class="standing">{escape(standing)}</p>' if standing else ""
    return (
        '<div class="leaderboard"><div class="leaderboard-scroll" role="region"'
        ' aria-label="Leaderboard" tabindex="0">'
        f"<table><caption>{CAPTION}</caption><thead><tr>{head}</tr></thead>{bodies}</table></div>"
        f"{stands}</div>"
    )


def _body(group: Group, rows: list[Row]) -> str:
    told = escape(
        group.note if group.tier == "published" else f"{group.note}; {len(rows)} rows".strip("; ")
    )
    keys = {
        "data": group.data,
        "model": group.model,
        "scenario": group.scenario,
        "tier": group.tier,
    }
    marks = "".join(f' data-{name}="{escape(value)}"' for name, value in keys.items())
    top = (
        f'<tr class="group"><th colspan="{len(HEAD)}" scope="rowgroup">{escape(title(group))}'
        f" <span>{told}</span></th></tr>"
    )
    return f"\n<tbody{marks}>{top}{''.join(_row(row) for row in rows)}</tbody>"


def _row(row: Row) -> str:
    texts = dict(zip(HEAD, cells(row), strict=True))
    keys = {
        "place": None if row.best is None else row.best + (row.worst or row.best) / 1000,
        "seeds": len(row.seeds) or None,
        "average gap": row.gap,
        "95 % interval": row.low,
        "cost, %": row.cost,
        **{m.upper(): row.means.get(m) for m in MEASURES},
    }
    tds = []
    for name, text in texts.items():
        shown = escape(text)
        if name.lower() in row.gaps and row.method != "retrain":
            shown += f" <small>{_signed(row.gaps[name.lower()])}</small>"
        key = keys.get(name)
        value = "" if key is None or math.isnan(key) else f' data-value="{key:.6g}"'
        tds.append(
            f'<th scope="row">{shown}</th>' if name == "method" else f"<td{value}>{shown}</td>"
        )
    settings = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts(row).items())
    of = escape(
        f" of {label(row.method)}{', ' + row.mask if row.mask else ''}, {row.group.scenario}"
    )
    return (
        f'\n<tr class="{row.kind}" data-method="{escape(label(row.method))}">{"".join(tds)}</tr><tr'
        f' class="settings"><td colspan="{len(HEAD)}"><details><summary><span'
        f' class="for-readers">settings{of}</span></summary><dl>{settings}</dl></details></td></tr>'
    )


def facts(row: Row) -> dict[str, str]:
    """What stands behind a row: spec, seeds, data, device, code and the names of its records."""
    if not row.records:
        return {
            "source": row.group.note.removeprefix("published: "),
            "remarks": "copied, not measured; see the page of published numbers",
        }
    data, spec = row.records[0].data, row.records[0].spec
    recipe = (
        "train_images",
        "train_epochs",
        "train_lr",
        "train_schedule",
        "train_batch_size",
        "train_recipe",
        "augment",
    )
    training = _pairs({name.removeprefix("train_"): spec.get(name) for name in recipe})
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
        "mask": f"{spec['mask']}, keep {spec.get('keep')}" if spec.get("mask") else "none",
        "scores": f"protocol {spec.get('protocol')}",
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


def _pairs(values: dict) -> str:
    return ", ".join(
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {'none' if v is None else v}"
        for k, v in values.items()
    )


def _each(texts) -> str:
    return "; ".join(dict.fromkeys(texts))


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")
