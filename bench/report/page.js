"use strict";
// The page is whole without this. It sorts, filters, hides and copies the comparison
// table, and opens what a link leads to.

function reveal() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) {
    box.open = true;
    unfold(box);
  }
  target.scrollIntoView();
}

// --- a run that is still going on -----------------------------------------------------------
// Its page loads itself anew. What the reader has done stays in the history's entry, which a
// file may keep where it may keep nothing else.

function watch() {
  const pause = Number(document.documentElement.dataset.reloadS) * 1000;
  const later = () => setTimeout(() => {
    if (!getSelection().isCollapsed) return later(); // somebody is about to copy it
    history.replaceState({ bench: remembered() }, "");
    location.reload();
  }, pause);
  if (pause) later();
}

function remembered() {
  return { table: comparison?.remembered(), open: opened().map(heading), at: place(), focus: document.activeElement?.dataset?.control };
}

// The order is that of need: rows first, then what is open, then where the reader was.
function restore(state) {
  if (!document.documentElement.dataset.reloadS) history.replaceState(null, "");
  if (state.table) comparison?.restore(state.table);
  for (const box of document.querySelectorAll("main details")) {
    if (!state.open.includes(heading(box))) continue;
    box.open = true;
    unfold(box);
  }
  if (state.focus) document.querySelector(`[data-control="${CSS.escape(state.focus)}"]`)?.focus({ preventScroll: true });
  const anchor = state.at.id && document.getElementById(state.at.id);
  scrollTo(0, anchor ? scrollY + anchor.getBoundingClientRect().top - state.at.top : state.at.y);
}

function opened() {
  return [...document.querySelectorAll("main details[open]")];
}

// What a box is called, without its figures, which change.
function heading(box) {
  const summary = box.querySelector("summary");
  return [box.parentElement.id, ...[...summary.childNodes].filter((node) => node.nodeName !== "B").map((node) => node.textContent.trim())].join(" ");
}

// The last thing with a name that the reader has begun to read, and where it stands: what
// grows above it does not move it.
function place() {
  const named = [...document.querySelectorAll("main [id]:not(svg *)")].filter((one) => one.offsetParent !== null || one.getClientRects().length);
  const last = named.filter((one) => one.getBoundingClientRect().top <= innerHeight / 3).at(-1);
  return { id: last?.id, top: last?.getBoundingClientRect().top, y: scrollY };
}

// A report of many trials holds what lies behind a cell as text until somebody asks.
function unfold(box) {
  const folded = box.querySelector("script[type='text/html']");
  if (!folded) return;
  const whole = document.createElement("template");
  whole.innerHTML = folded.textContent;
  folded.replaceWith(whole.content);
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const NONE = "–"; // stands where nothing was told
const BATCH = 50; // rows that are laid out at once: more than a screen holds

class Comparison {
  constructor(table, controls) {
    this.table = table;
    this.heads = [...[...table.tHead.rows].at(-1).cells];
    this.groups = [...table.querySelectorAll(".devices th")];
    this.spans = this.groups.map((group) => group.colSpan);
    this.own = this.heads.length - sum(this.spans);
    this.bodies = [...table.tBodies];
    this.levels = this.bodies.map((body) => body.querySelector(".level"));
    this.rows = this.bodies.flatMap((body, level) =>
      [...body.rows].filter((row) => !row.classList.contains("level")).map((row) => ({ row, level, kept: true })));
    this.order = this.rows;
    this.first = Number(table.dataset.firstRows); // more are shown when asked for
    this.limit = this.first;
    this.reasons = this.heads.map(() => new Set());
    this.filters = new Map();
    this.facets = new Map(); // controls by what they filter by
    this.ticks = new Map(); // of columns and devices, by name
    this.sorting = { column: -1, direction: 1 };
    this.moved = false; // until a column is sorted by, every row is in its place
    this.addSorting();
    this.addControls(controls);
    this.show(this.limit, Infinity);
    table.classList.add("live");
    table.addEventListener("click", (event) => this.follow(event.target));
    addEventListener("beforeprint", () => this.show(Infinity, Infinity));
    addEventListener("afterprint", () => this.show());
  }

  // Every figure leads to the trials that it is made of, as its device's median does.
  follow(target) {
    const cell = target.closest("tbody td");
    if (!cell || target.closest("a") || !getSelection().isCollapsed) return;
    const group = this.groups.findIndex((_, number) => this.columnsOf(number).includes(cell.cellIndex));
    const median = group < 0 ? cell.parentElement : cell.parentElement.cells[this.columnsOf(group)[0]];
    median.querySelector("a[href^='#cell-']")?.click();
  }

  // --- what a page that loads itself anew keeps ----------------------------------------------

  remembered() {
    const { column, direction } = this.sorting;
    const ticks = [...this.ticks].map(([name, box]) => [name, box.checked]);
    return { sorted: this.heads[column]?.dataset.key, direction, filters: [...this.filters], device: this.device?.selectedOptions[0].textContent, ticks, all: this.limit === Infinity, left: this.table.parentElement.scrollLeft };
  }

  restore({ sorted, direction, filters, device, ticks, all, left }) {
    const chosen = [...this.device?.options ?? []].find((option) => option.textContent === device);
    if (chosen?.value) {
      this.device.value = chosen.value;
      this.device.onchange();
    }
    if (all) this.limit = Infinity;
    for (const [name, checked] of ticks) {
      const box = this.ticks.get(name);
      if (box && box.checked !== checked) box.click();
    }
    for (const [facet, value] of filters) {
      const control = this.facets.get(facet);
      if (!control) continue;
      control.value = value;
      if (control.value === value) this.filter(facet, value);
    }
    const column = this.heads.findIndex((head) => head.dataset.key === sorted);
    if (sorted && column >= 0) for (let clicks = direction < 0 ? 2 : 1; clicks; clicks--) this.sort(column);
    this.show(this.limit, Infinity);
    this.table.parentElement.scrollLeft = left;
  }

  // --- sorting ---------------------------------------------------------------------------

  addSorting() {
    this.heads.forEach((head, column) => {
      const button = element("button", { type: "button", onclick: () => this.sort(column) });
      button.append(...head.childNodes);
      head.append(button);
    });
  }

  // The first click sorts upwards, the second downwards, the third restores the levels.
  sort(column) {
    const same = this.sorting.column === column;
    if (same && this.sorting.direction < 0) this.sorting = { column: -1, direction: 1 };
    else this.sorting = { column, direction: same ? -1 : 1 };
    this.heads.forEach((head, place) => {
      if (place !== this.sorting.column) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", this.sorting.direction > 0 ? "ascending" : "descending");
    });
    this.order = this.sorting.column < 0 ? this.rows : this.sorted(this.sorting.column, this.sorting.direction);
    this.moved = true;
    this.show();
  }

  // Put the rows that are kept into order, as many as the limit allows, and hide the others:
  // a batch at once, so that a click is answered at once, and the rest bit by bit.
  show(limit = this.limit, batch = BATCH) {
    this.growing = null;
    const kept = this.order.filter((entry) => entry.kept);
    const shown = kept.slice(0, limit);
    const first = new Set(shown.slice(0, batch));
    for (const entry of this.rows) if (!first.has(entry)) hide(entry.row, true);
    const levels = new Set(this.sorting.column < 0 ? [...first].map((entry) => entry.level) : []);
    this.levels.forEach((heading, level) => heading && hide(heading, !levels.has(level)));
    this.put([...first]);
    this.grow(shown.slice(batch));
    const all = `${this.rows.length.toLocaleString("en")} row${this.rows.length === 1 ? "" : "s"}`;
    this.counter.textContent = kept.length === this.rows.length ? all : `${kept.length.toLocaleString("en")} of ${all}`;
    this.more.hidden = kept.length <= limit;
    this.more.textContent = `Show all ${kept.length.toLocaleString("en")}`;
  }

  put(entries) {
    const sorted = this.sorting.column >= 0;
    const parts = this.bodies.map(() => document.createDocumentFragment());
    for (const { row, level } of entries) {
      hide(row, false);
      if (this.moved) parts[sorted ? 0 : level].append(row);
      if (this.levels[level] && !sorted) hide(this.levels[level], false);
    }
    parts.forEach((part, level) => part.firstChild && this.bodies[level].append(part));
  }

  // Once what was put last has been drawn. Each batch is twice as large, since the whole table is
  // laid out again with each.
  grow(left, batch = BATCH) {
    if (!left.length) return;
    this.growing = left;
    requestAnimationFrame(() => setTimeout(() => {
      if (this.growing !== left) return; // something else is shown by now
      this.put(left.slice(0, batch));
      this.grow(left.slice(batch), 2 * batch);
    }));
  }

  sorted(column, direction) {
    const cells = this.rows.map((entry) => entry.row.cells[column]);
    const numbers = cells.map((cell) => Number(cell.getAttribute("data-number") ?? NaN));
    const numeric = !numbers.every(Number.isNaN);
    const keyed = this.rows.map((entry, n) => ({ entry, number: numbers[n], words: numeric ? "" : shown(cells[n]) }));
    const collator = new Intl.Collator("en", { numeric: true });
    keyed.sort((a, b) => {
      const [missesA, missesB] = [a, b].map((one) => (numeric ? Number.isNaN(one.number) : one.words === NONE));
      if (missesA || missesB) return missesA - missesB; // last, whichever way
      return direction * (numeric ? a.number - b.number : collator.compare(a.words, b.words));
    });
    return keyed.map((key) => key.entry);
  }

  // --- filtering -------------------------------------------------------------------------

  filter(facet, value) {
    if (value === "") this.filters.delete(facet);
    else this.filters.set(facet, value);
    for (const entry of this.rows) {
      entry.kept = [...this.filters].every(([key, wanted]) => this.matches(entry.row, key, wanted));
    }
    this.show();
  }

  matches(row, facet, wanted) {
    if (facet === "name") return whole(row.cells[0]).toLowerCase().includes(wanted.toLowerCase());
    if (facet === "device") return shown(row.cells[this.columnsOf(Number(wanted))[0]]) !== NONE;
    return row.getAttribute(`data-${facet}`) === wanted;
  }

  // --- columns ---------------------------------------------------------------------------

  // A column is hidden for its kind, for its device, or for both.
  hide(columns, reason, hidden) {
    for (const column of columns) {
      const reasons = this.reasons[column];
      if (hidden) reasons.add(reason);
      else reasons.delete(reason);
      this.heads[column].hidden = reasons.size > 0;
      for (const { row } of this.rows) row.cells[column].hidden = reasons.size > 0;
    }
    this.stretch();
    if (this.limit > this.first && this.counter) this.show();
  }

  shows(column) {
    return this.reasons[column].size === 0;
  }

  // Headings that lie over several columns cover those that are left.
  stretch() {
    const cover = (cell, columns) => {
      const left = columns.filter((column) => this.shows(column)).length;
      cell.hidden = left === 0;
      cell.colSpan = Math.max(left, 1);
    };
    this.groups.forEach((group, number) => cover(group, this.columnsOf(number)));
    const corner = this.table.querySelector(".devices td");
    if (corner) cover(corner, range(0, this.own));
    for (const heading of this.levels) if (heading) cover(heading.cells[0], range(0, this.heads.length));
  }

  columnsOf(group) {
    return range(this.own + sum(this.spans.slice(0, group)), this.spans[group]);
  }

  // --- controls --------------------------------------------------------------------------

  addControls(box) {
    const search = element("input", { type: "search", placeholder: "part of a name", oninput: () => this.filter("name", search.value.trim()) });
    search.dataset.control = "name";
    this.facets.set("name", search);
    box.append(element("label", {}, "Model ", search));
    for (const facet of ["family", "quantization", "threads", "delegate", "cores", "xnnpack"]) {
      const values = [...new Set(this.rows.map(({ row }) => row.getAttribute(`data-${facet}`)))];
      if (values.length < 2) continue;
      const select = element("select", { onchange: () => this.filter(facet, select.value) }, element("option", { value: "" }, "all"),
        ...values.map((value) => element("option", { value }, value)));
      select.dataset.control = facet;
      this.facets.set(facet, select);
      box.append(element("label", {}, facet[0].toUpperCase() + facet.slice(1) + " ", select));
    }
    if (this.groups.length > 1) box.append(this.deviceFilter());
    box.append(this.columnMenu());
    for (const form of ["CSV", "Markdown"]) {
      box.append(element("button", { type: "button", onclick: () => this.copy(form) }, `Copy as ${form}`));
    }
    this.counter = element("output", {});
    this.more = element("button", { type: "button", onclick: () => this.show(this.limit = Infinity) });
    box.append(this.counter, this.more);
    box.hidden = false;
  }

  // A device is columns: choosing one hides those of the others, and rows that were not asked of it.
  deviceFilter() {
    const select = element("select", { onchange: () => {
      this.filter("device", select.value);
      this.groups.forEach((_, n) => this.hide(this.columnsOf(n), "other device", select.value !== "" && Number(select.value) !== n));
    } }, element("option", { value: "" }, "all"), ...this.groups.map((group, n) => element("option", { value: n }, group.textContent.trim())));
    select.dataset.control = "device";
    this.device = select;
    return element("label", {}, "Device ", select);
  }

  columnMenu() {
    const menu = element("div", { className: "menu" });
    const entries = new Map();
    this.heads.slice(1).forEach((head, n) => {
      const name = head.dataset.key.split("-")[0];
      if (!entries.has(name)) entries.set(name, { label: label(head), columns: [], minor: isMinor(head) });
      entries.get(name).columns.push(n + 1);
    });
    for (const { label: text, columns, minor } of entries.values()) {
      menu.append(this.tick(text, columns, "kind", !minor));
      if (minor) this.hide(columns, "kind", true);
    }
    if (this.groups.length > 1) {
      menu.append(element("hr", {}));
      this.groups.forEach((group, n) => menu.append(this.tick(group.textContent.trim(), this.columnsOf(n), "device", true)));
    }
    const box = element("details", { className: "columns" }, element("summary", {}, "Columns"), menu);
    addEventListener("pointerdown", (event) => box.contains(event.target) || (box.open = false));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      box.open = false;
      box.firstChild.focus();
    });
    return box;
  }

  tick(text, columns, reason, checked) {
    const box = element("input", { type: "checkbox", checked, onchange: () => this.hide(columns, reason, !box.checked) });
    this.ticks.set(`${reason} ${text}`, box);
    return element("label", {}, box, " ", element("bdi", {}, text));
  }

  // --- copying ---------------------------------------------------------------------------

  async copy(form) {
    const columns = range(0, this.heads.length).filter((column) => this.shows(column));
    const rows = this.order.filter((entry) => entry.kept).map((entry) => entry.row);
    const text = form === "CSV" ? this.csv(columns, rows) : this.markdown(columns, rows);
    const done = await toClipboard(text);
    this.counter.textContent = done ? `${rows.length} row${rows.length === 1 ? "" : "s"} copied as ${form}` : "The browser refused to copy";
  }

  title(column) {
    const group = this.groups.findIndex((_, number) => this.columnsOf(number).includes(column));
    return label(this.heads[column]) + (group < 0 ? "" : `, ${this.groups[group].textContent.trim()}`);
  }

  // One column of the table can be several of the file: a median, its interval and its doubts.
  csv(columns, rows) {
    const fields = columns.flatMap((column) => {
      const title = this.title(column);
      const key = this.heads[column].dataset.key;
      const found = [{ title, read: (cell) => figure(cell) }];
      if (/^(median|energy)-/.test(key)) found.push({ title: `${title}, 95 % interval`, read: (cell) => detail(cell).match(/.*\d–\d.*/)?.[0] ?? "" });
      if (key === "error" || key === "measured") found.push({ title: `${title}, source`, read: (cell) => words(cell.title) });
      if (this.rows.some(({ row }) => care(row.cells[column]))) found.push({ title: `${title}, doubts`, read: (cell) => words(care(cell)) });
      return found.map(({ title, read }) => ({ title, read: (row) => read(row.cells[column]) }));
    });
    const lines = [fields.map((field) => words(field.title)), ...rows.map((row) => fields.map((field) => field.read(row)))];
    const quoted = (value) => (/[",;\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    return lines.map((line) => line.map(quoted).join(",") + "\r\n").join("");
  }

  markdown(columns, rows) {
    const line = (values) => `| ${values.join(" | ")} |\n`;
    const told = (cell) => {
      const parts = [detail(cell), care(cell)].filter((part, n, both) => part && !part.startsWith("[") && !(n === 0 && both[1].startsWith(part)));
      const beside = parts.map(plain).join("; ");
      const text = plain(shown(cell)) + (beside && ` (${beside})`);
      return cell.classList.contains("best") ? `**${text}**` : text;
    };
    const ruler = columns.map((column) => (this.heads[column].classList.contains("words") ? "---" : "---:"));
    return line(columns.map((column) => plain(this.title(column)))) + line(ruler)
      + rows.map((row) => line(columns.map((column) => told(row.cells[column])))).join("");
  }
}

// Columns that crowd out the latency are hidden at first, and a tick away.
function isMinor(head) {
  return head.dataset.minor === "always" || (head.dataset.minor === "narrow" && matchMedia("(max-width: 40rem)").matches);
}

// What is so already is left alone: to be told again costs a layout.
function hide(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

function range(first, count) {
  return Array.from({ length: count }, (_, number) => first + number);
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function label(head) {
  const unit = head.querySelector("small")?.textContent;
  const name = [...(head.querySelector("button") ?? head).childNodes].filter((n) => n.nodeName !== "SMALL").map((n) => n.textContent).join("").trim();
  return unit ? `${name}, ${unit}` : name;
}

function shown(cell) {
  return (cell.querySelector("a, bdi") ?? cell.firstChild)?.textContent.trim() ?? "";
}

function detail(cell) {
  return cell.querySelector("small")?.textContent ?? "";
}

// Reasons for care, in words.
function care(cell) {
  return cell.querySelector(".flag .unseen")?.textContent.trim() ?? "";
}

// A model's name, also what the table cuts of it.
function whole(cell) {
  return `${shown(cell)} ${cell.title}`;
}

function figure(cell) {
  return cell.dataset.number === undefined ? words(shown(cell)) : shown(cell).replaceAll(",", "").replace("−", "-").replace("+", "");
}

// A name that begins like a formula would be one in a spreadsheet.
function words(text) {
  return /^\s*[=+\-@]/.test(text) ? `'${text}` : text === NONE ? "" : text;
}

// A forge looks for names and numbers after Markdown is done; nothing of width stops it.
function plain(text) {
  return text.replace(/[\\`*_{}[\]<>()#|~$&@:]/g, "\\$&").replace(/([@#]|\bwww)(?=[\p{L}\p{N}_.])/giu, "$1\u2060");
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// "toggle" does not bubble, but it can be caught on its way down.
document.addEventListener("toggle", (event) => event.target.open && unfold(event.target), true);
addEventListener("hashchange", reveal);
const table = document.getElementById("table");
const comparison = table && new Comparison(table, document.getElementById("controls"));
// The table is there; what lies below it is still coming in.
addEventListener("DOMContentLoaded", () => {
  if (history.state?.bench) restore(history.state.bench);
  else reveal();
  watch();
});
