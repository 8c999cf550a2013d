/* The leaderboard, sorted, grouped and filtered by DataTables (folder leaderboard, MIT). Without a script the table is whole, only still. */
"use strict";

(async (home) => {
  const boards = document.querySelectorAll(".leaderboard");
  if (boards.length === 0) return;
  const load = (name) => new Promise((done, failed) => {
    const script = document.createElement("script");
    Object.assign(script, { src: new URL(name, home), onload: done, onerror: failed });
    document.head.append(script);
  });
  await load("dataTables.min.js");
  await load("dataTables.rowGroup.min.js");
  boards.forEach(furnish);
})(new URL("leaderboard/", document.currentScript.src));

/* Filters above a table: lists of what its rows are marked with, and of which average gap is shown. */
function furnish(board) {
  const element = board.querySelector("table");
  const named = [...element.tHead.rows[0].cells].map((head) => head.textContent);
  const [task, gap] = [0, named.indexOf("average gap")];
  const others = named.flatMap((name, k) => (name.includes(" · ") ? [k] : []));
  const rows = [...element.tBodies[0].rows];
  const chosen = {};
  const table = new DataTable(element, {
    paging: false,
    autoWidth: false,
    order: [],
    orderFixed: { pre: [[task, "asc"]] },
    rowGroup: { dataSrc: (row) => row[task].display },
    columnDefs: [{ targets: [task, ...others], visible: false }, { targets: -1, orderable: false }],
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
  });
  board.classList.add("live");
  table.on("draw", () => {  // DataTables tells a screen reader the direction of the fixed order, by task
    const [[column, direction] = []] = table.order();
    for (const k of table.columns(":visible").indexes().toArray()) {
      const head = table.column(k).header();
      if (k === column) head.setAttribute("aria-sort", direction === "asc" ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  });
  const form = document.createElement("form");
  form.className = "leaderboard-filters";
  const status = document.createElement("output");
  const list = (name, values, every, act) => {
    const label = document.createElement("label");
    const select = document.createElement("select");
    if (every) select.append(new Option(every, ""));
    select.append(...values.map((value) => new Option(value, value)));
    select.addEventListener("change", () => act(select.value));
    label.append(name, select);
    form.append(label);
    return select;
  };
  const say = () => { status.textContent = `${table.rows({ search: "applied" }).count()} of ${rows.length} rows`; };
  const filter = (name) => (value) => { chosen[name] = value; table.draw(); say(); };
  table.search.fixed("marks", (text, data, index) =>
    Object.entries(chosen).every(([name, value]) => !value || rows[index].dataset[name] === value));

  const { compare } = new Intl.Collator("en", { numeric: true });
  for (const name of ["data", "model", "scenario", "method", "kind"]) {
    const values = [...new Set(rows.map((row) => row.dataset[name]))].sort(compare);
    list(name === "kind" ? "show" : name, values, name === "kind" ? "measured and published" : "all", filter(name));
  }
  const pairs = others.map((k) => named[k].split(" · "));
  const different = (k) => [...new Set(pairs.map((pair) => pair[k]))];
  const averages = different(1).sort().reverse();  // the mean of gaps first
  const attacks = ["confidence", ...different(0).filter((name) => name !== "confidence")];
  const show = () => {
    const wanted = `${attack.value} · ${average.value}`;
    const column = others.find((k) => named[k] === wanted) ?? gap;
    for (const k of [gap, ...others]) table.column(k).visible(k === column, false);
    table.columns.adjust();
  };
  const attack = list("MIA by", attacks, "", show);
  const average = list("average gap", averages, "", show);
  const reset = document.createElement("button");
  Object.assign(reset, { type: "button", textContent: "show all" });
  reset.addEventListener("click", () => {  // at once: deferred, it could undo a choice made right after it
    form.reset();
    for (const name of Object.keys(chosen)) delete chosen[name];
    table.order([]).draw();
    show();
    say();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  status.setAttribute("role", "status");
  form.append(reset, status);
  board.prepend(form);
  say();
}
