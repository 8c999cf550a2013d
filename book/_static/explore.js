/* Explorers: figures that lie in the page, moved by lists and sliders. Without this script each shows one state. */
"use strict";

const explorers = {};

const control = (form, text, input) => {
  const label = document.createElement("label");
  label.append(text, input);
  form.append(label);
  return input;
};

const list = (form, text, names) => {
  const select = document.createElement("select");
  select.append(...Object.entries(names).map(([value, name]) => new Option(name, value)));
  return control(form, text, select);
};

const slider = (form, text, values, start) => {
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min: 0, max: values.length - 1, step: 1, value: Math.max(0, values.indexOf(start)) });
  control(form, text, input);
  input.pick = (next) => {
    values = next;
    input.max = next.length - 1;
    input.value = Math.min(input.value, next.length - 1);
  };
  input.chosen = () => values[input.value];
  return input;
};

const bar = (name, value, most, mark) => {
  const row = document.createElement("div");
  row.className = "explorer-bar";
  const text = document.createElement("span");
  text.textContent = name;
  const track = document.createElement("span");
  track.className = "explorer-track";
  const fill = document.createElement("span");
  fill.className = "explorer-fill";
  fill.style.width = `${(100 * Math.max(0, value ?? 0)) / most}%`;
  track.append(fill);
  if (mark != null) {
    const thin = document.createElement("span");
    thin.className = "explorer-mark";
    thin.style.left = `${(100 * mark) / most}%`;
    track.append(thin);
  }
  const figure = document.createElement("span");
  figure.textContent = value == null ? "–" : value.toFixed(1);
  row.append(text, track, figure);
  return row;
};

const numbers = (texts) => [...new Set(texts)].sort((a, b) => a - b);

explorers["what-if"] = (data, form, stage, output) => {
  const keys = Object.keys(data.cells).map((key) => key.split("|"));
  const along = {
    alpha: keys.filter((k) => k[2] === "0.5"),
    density: keys.filter((k) => k[1] === "1"),
  };
  const axis = list(form, "move", { alpha: "α, at density 0.5", density: "density, at α = 1" });
  const rate = slider(form, "learning rate", numbers(keys.map((k) => k[0])), "0.05");
  const place = () => (axis.value === "alpha" ? 1 : 2);
  const values = () => numbers(along[axis.value].map((k) => k[place()]));
  const other = slider(form, "its value", values(), "1");
  axis.addEventListener("input", () => other.pick(values()));
  const names = { ua: "UA, %", ra: "RA, %", ta: "TA, %", mia: "MIA, %", gap: "average gap" };
  return () => {
    const [alpha, keep] = axis.value === "alpha" ? [other.chosen(), "0.5"] : ["1", other.chosen()];
    const cell = data.cells[`${rate.chosen()}|${alpha}|${keep}`];
    const where = `learning rate ${rate.chosen()}, α ${alpha}, density ${keep}`;
    if (!cell) {
      stage.replaceChildren();
      output.textContent = `${where}: not run`;
      return;
    }
    stage.replaceChildren(...Object.entries(names).map(([key, name]) => bar(name, cell[key], 100, data.retrain[key])));
    const said = Object.entries(cell.said).map(([name, count]) => `${count} of ${cell.seeds} ${name}`).join(", ");
    output.textContent = `${where}: UA ${cell.ua?.toFixed(1) ?? "–"}, Retrain's ${data.retrain.ua.toFixed(1)} (the thin marks); ${said || "diverged"}`;
  };
};

explorers.masks = (data, form, stage, output) => {
  const rule = list(form, "rule", Object.fromEntries(Object.keys(data.shares).map((name) => [name, name])));
  const density = slider(form, "density", numbers(Object.keys(data.shares.saliency)), "0.5");
  const logs = data.medians.map((m) => Math.log10(Math.max(m, 1e-12)));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  return () => {
    const shares = data.shares[rule.value][density.chosen()];
    const names = Object.keys(data.layers);
    stage.replaceChildren(...names.map((name, i) => bar(name, shares[i], 100, (100 * (logs[i] - low)) / (high - low))));
    const most = names[shares.indexOf(Math.max(...shares))];
    const least = names[shares.indexOf(Math.min(...shares))];
    output.textContent = `${rule.value}, ${100 * density.chosen()} % of all weights: most in ${most} (${Math.max(...shares).toFixed(1)} %), `
      + `least in ${least} (${Math.min(...shares).toFixed(1)} %)`;
  };
};

explorers.gallery = (data, form, stage, output) => {
  const picture = stage.querySelector("img").src;
  const keys = Object.keys(data.rows).map((key) => key.split("|"));
  const names = Object.fromEntries([...new Set(keys.map((k) => k[0]))].map((name) => [name, name]));
  const eraser = list(form, "eraser", names);
  const steps = () => ["before", ...numbers(keys.filter((k) => k[0] === eraser.value).map((k) => k[1]))];
  const step = slider(form, "length", steps(), "3");
  eraser.addEventListener("input", () => step.pick(steps()));
  return () => {
    const at = step.chosen() === "before" ? 0 : data.rows[`${eraser.value}|${step.chosen()}`];
    stage.replaceChildren(...data.classes.map((name, i) => {
      const cell = document.createElement("figure");
      const shown = document.createElement("div");
      shown.className = "explorer-picture";
      shown.setAttribute("role", "img");
      shown.setAttribute("aria-label", `${name}, ${step.chosen()}`);
      shown.style.backgroundImage = `url("${picture}")`;
      shown.style.backgroundSize = `${100 * data.classes.length}% ${100 * data.count}%`;
      shown.style.backgroundPosition = `${(100 * i) / (data.classes.length - 1)}% ${(100 * at) / (data.count - 1)}%`;
      const text = document.createElement("figcaption");
      text.textContent = name;
      cell.append(shown, text);
      return cell;
    }));
    output.textContent = step.chosen() === "before" ? "before" : `${eraser.value}, ${step.chosen() === "0" ? "in closed form" : `after ${step.chosen()} ${data.units[eraser.value]}`}`;
  };
};

document.querySelectorAll(".explorer").forEach((box) => {
  const data = JSON.parse(box.querySelector("script").textContent);
  const stage = box.querySelector(".explorer-stage");
  const form = document.createElement("form");
  form.addEventListener("submit", (event) => event.preventDefault());
  const output = document.createElement("output");
  output.setAttribute("role", "status");
  const show = explorers[box.dataset.explorer](data, form, stage, output);
  form.addEventListener("input", show);
  box.prepend(form, output);
  show();
});
