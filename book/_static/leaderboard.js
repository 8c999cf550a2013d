/* Sorting and filters for the tables of class "leaderboard". Without this script the table is whole, only still. */
"use strict";

document.querySelectorAll(".leaderboard").forEach((board) => {
  const table = board.querySelector("table");
  const bodies = [...table.tBodies];
  const rowsOf = (body) => [...body.rows].filter((row) => row.dataset.method);
  const keys = ["data", "model", "scenario", "method"];
  const chosen = {};

  /* -- filters: one list of choices for each key, and a line that says how many rows are left -- */
  const form = document.createElement("form");
  form.className = "leaderboard-filters";
  form.addEventListener("submit", (event) => event.preventDefault());
  const status = document.createElement("output");
  status.setAttribute("role", "status");

  const valueOf = (row, key) => (key === "method" ? row.dataset.method : row.parentElement.dataset[key]);

  const filter = () => {
    let shown = 0;
    let all = 0;
    for (const body of bodies) {
      let here = 0;
      for (const row of rowsOf(body)) {
        const published = body.dataset.tier === "published";
        const fits = keys.every((key) => !chosen[key] || valueOf(row, key) === chosen[key]) && (chosen.kind !== "measured" || !published)
          && (chosen.kind !== "published" || published);
        row.hidden = !fits;
        row.nextElementSibling.hidden = !fits;
        here += fits;
        all += 1;
      }
      body.hidden = here === 0;
      shown += here;
    }
    status.textContent = `${shown} of ${all} rows`;
  };

  const addChoice = (key, values, every) => {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.append(new Option(every, ""), ...values.map((value) => new Option(value, value)));
    select.addEventListener("change", () => { chosen[key] = select.value; filter(); });
    label.append(key === "kind" ? "show" : key, select);
    form.append(label);
  };

  const order = new Intl.Collator("en", { numeric: true }).compare;
  for (const key of keys) {
    addChoice(key, [...new Set(bodies.flatMap(rowsOf).map((row) => valueOf(row, key)))].sort(order), "all");
  }
  addChoice("kind", ["measured", "published"], "measured and published");
  const reset = document.createElement("button");
  reset.type = "reset";
  reset.textContent = "show all";
  form.addEventListener("reset", () => { for (const key of Object.keys(chosen)) delete chosen[key]; filter(); });
  form.append(reset, status);
  board.prepend(form);

  /* -- sorting: within each group, by the column whose heading is pressed; once more turns the order round; empty cells come last -- */
  const headings = [...table.tHead.rows[0].cells];
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return cell.textContent.trim() || null;
  };
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : order(String(a), String(b)));
  };
  const sort = (column, sign) => {
    for (const body of bodies) {
      const pairs = rowsOf(body).map((row) => [keyOf(row, column), row, row.nextElementSibling]);
      pairs.sort((one, other) => compare(one[0], other[0], sign));
      for (const [, row, settings] of pairs) body.append(row, settings);
    }
    headings.forEach((heading, place) => {
      heading.setAttribute("aria-sort", place === column ? (sign > 0 ? "ascending" : "descending") : "none");
    });
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(column, heading.getAttribute("aria-sort") === "ascending" ? -1 : 1));
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
  });
  filter();
});
