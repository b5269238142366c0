"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.querySelector("main");
const MOST = 500; // calls of one caller that are shown at once
const MOST_CELLS = 4000; // of a flame graph
const MOST_ROWS = 80;
const called = new Map(data.events.map((each) => [each.name, each.readable])); // of events, for people
const DRAWN = ["stacks", "profile", "hist", "count", "latency"];

function make(tag, text, parent, name) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = tag === "pre" ? text : seen(String(text));
  if (name) element.className = name;
  if (parent) parent.append(element);
  return element;
}

function timeText(ns) {
  for (const [size, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "us"]])
    if (ns >= size * 0.9995) return (ns / size).toFixed(3) + " " + unit;
  return Math.round(ns) + " ns";
}

// What a guest's text does to what is around it, such as turning it around, is written out.
function seen(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (each) =>
    /[\u200c\u200d]/.test(each) ? each : "\\u{" + each.codePointAt(0).toString(16) + "}");
}

function section(title) {
  make("h2", title, main);
}

function facts(rows) {
  const table = make("table", null, make("div", null, main, "scroll"), "facts");
  for (const [name, value] of rows) {
    const row = make("tr", null, table);
    make("th", name, row).scope = "row";
    make("td", value, row);
  }
}

// A table that is sorted by the column whose head is clicked; cells are [shown, sorts by].
function sortable(heads, rows) {
  const table = make("table", null, make("div", null, main, "scroll"));
  const head = make("tr", null, make("thead", null, table));
  const body = make("tbody", null, table);
  function fill() {
    body.replaceChildren();
    for (const cells of rows) {
      const row = make("tr", null, body);
      for (const [shown, , share] of cells) {
        const cell = make("td", shown, row);
        if (share !== undefined) {
          cell.className = "bar";
          make("i", null, cell).style.width = Math.max(share * 100, 0.5) + "%";
        }
      }
    }
  }
  heads.forEach((name, column) => {
    const cell = make("th", null, head);
    cell.scope = "col";
    if (!name) return;
    make("button", name, cell).onclick = () => {
      for (const each of head.children) each.removeAttribute("aria-sort");
      cell.ariaSort = typeof rows[0][column][1] === "string" ? "ascending" : "descending";
      const sign = typeof rows[0][column][1] === "string" ? 1 : -1;
      rows.sort((a, b) => sign * (a[column][1] > b[column][1] ? 1 : a[column][1] < b[column][1] ? -1 : 0));
      fill();
    };
  });
  fill();
}

function bars(counts, text) {
  const rows = Object.entries(counts).sort((a, b) => a[0] - b[0]);
  const most = Math.max(...rows.map((row) => row[1]));
  sortable(["from", "count", ""], rows.map(([low, count]) => [[text(Number(low)), Number(low)], [String(count), count], ["", count, count / most]]));
}

function quantiles(value) {
  const names = ["p50", "p90", "p99", "max"].filter((name) => Number.isFinite(value[name]));
  make("p", names.map((name) => `${name} ${timeText(value[name])}`).join(" · "), main);
}

const nameOf = (name) => called.get(name) || name;
const byName = (counts) => Object.fromEntries(Object.entries(counts).map(([name, count]) => [nameOf(name), count]));

function counted(counts, name) {
  const rows = Object.entries(counts).filter((row) => row[1]).sort((a, b) => b[1] - a[1]);
  if (!rows.length) return make("p", "nothing was seen", main);
  const most = rows[0][1];
  sortable(["count", "", name], rows.map(([key, count]) => [[String(count), count], ["", count, count / most], [key || '""', key]]));
}

// --- flame graphs -----------------------------------------------------------------------------------

function color(name) {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  return `hsl(${20 + (hash % 40)} ${60 + (hash >> 8) % 25}% ${66 + (hash >> 16) % 12}%)`;
}

// Rows [depth, name, ...], each before those inside of it, as nodes; the list of all, the first is around them.
function nested(rows) {
  const whole = { name: "all", row: [], weight: 0, inside: [], around: null }, all = [whole], open = [whole];
  for (const row of rows) {
    const around = open[row[0]];
    const node = { name: row[1], row, weight: row[2] || 0, inside: [], around };
    around.inside.push(node);
    all.push(open[row[0] + 1] = node);
  }
  return all;
}

// A call that did not return weighs what is in it.
function weigh(all) {
  for (const node of all.slice().reverse())
    node.weight = Math.max(node.weight, node.inside.reduce((sum, each) => sum + each.weight, 0));
}

function flame(rows, text) {
  const all = nested(rows), whole = all[0];
  weigh(all);
  if (!whole.weight) return;
  const find = make("input", null, main);
  find.type = "search";
  find.placeholder = find.ariaLabel = "find in the graph";
  const line = make("p", null, main, "line");
  const box = make("div", null, main, "flame");
  let shown = whole, cells = new Map();
  const share = (weight) => `${text(weight)} (${(100 * weight / whole.weight).toFixed(1)}%)`;
  const about = (node) => `${node.name}: ${share(node.weight)}`;
  const matches = (node) => find.value && node.name.toLowerCase().includes(find.value.toLowerCase());

  function zoom(node) {
    shown = node;
    // What is zoomed into stands in the address, so that it can be kept and sent.
    history.replaceState(null, "", node === whole ? location.pathname : "#zoom=" + encodeURIComponent(node.name));
    draw();
  }
  function put(node, left, size, row) {
    const isSmall = size * box.clientWidth <= 24;
    const cell = make("div", isSmall ? "" : node.name, box, isSmall ? "small" : "");
    cell.style.cssText = `left:${left * 100}%;width:${size * 100}%;top:${row * 18}px;background:${color(node.name)}`;
    cell.classList.toggle("found", Boolean(matches(node)));
    cell.title = cell.ariaLabel = about(node);
    cell.role = "button";
    cell.tabIndex = node === shown ? 0 : -1; // one can be reached by tab, the others from there by arrows
    cell.onclick = () => { zoom(node === shown && node.around ? whole : node); cells.get(node).focus(); };
    cell.onfocus = cell.onmouseenter = () => { line.textContent = about(node); };
    cells.set(node, cell);
  }
  function draw() {
    box.replaceChildren();
    cells = new Map();
    const outer = [];
    for (let node = shown.around; node; node = node.around) outer.unshift(node);
    if (outer.length > 8) outer.splice(1, outer.length - 8);
    outer.forEach((node, row) => put(node, 0, 1, row));
    let rows = outer.length, cut = false;
    const todo = [[shown, 0, 1, rows]];
    while (todo.length && cells.size < MOST_CELLS) {
      const [node, left, size, row] = todo.pop();
      if (size * box.clientWidth < 1.5) continue;
      if (row - outer.length >= MOST_ROWS) { cut = true; continue; }
      put(node, left, size, row);
      rows = Math.max(rows, row + 1);
      let at = left;
      for (const each of node.inside) {
        const part = size * each.weight / node.weight;
        todo.push([each, at, part, row + 1]);
        at += part;
      }
    }
    box.style.height = rows * 18 + "px";
    rest(cut);
  }
  function rest(cut) {
    const how = "Click, or arrow keys and Enter, to zoom; Escape to see all.";
    const deep = cut ? ` Calls are nested deeper than the ${MOST_ROWS} that are drawn: zoom in.` : "";
    line.textContent = (shown === whole ? "" : `${about(shown)}. `) + how + deep;
  }
  box.onmouseleave = () => rest(false);
  box.onkeydown = (event) => {
    const node = [...cells.keys()].find((each) => cells.get(each) === document.activeElement);
    if (!node) return;
    const row = node.around ? node.around.inside : [node], at = row.indexOf(node);
    const near = (list) => list.find((each) => cells.has(each));
    const to = { ArrowUp: node.around, ArrowDown: near(node.inside), ArrowRight: near(row.slice(at + 1)),
      ArrowLeft: near(row.slice(0, at).reverse()) }[event.key];
    if (to && cells.has(to)) cells.get(to).focus();
    else if (event.key === "Escape") { zoom(whole); cells.get(whole).focus(); }
    else if (event.key === "Enter" || event.key === " ") cells.get(node).click();
    else if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
  };
  find.oninput = () => {
    draw();
    const outermost = all.filter((node) => {
      for (let each = node.around; each; each = each.around) if (matches(each)) return false;
      return matches(node);
    });
    if (find.value) line.textContent = `${find.value}: ${share(outermost.reduce((sum, node) => sum + node.weight, 0))}`;
  };
  const wanted = decodeURIComponent((location.hash.match(/^#zoom=(.*)$/) || [])[1] || "");
  const named = all.filter((node) => node.name === wanted);
  shown = named.sort((a, b) => a.row[0] - b.row[0])[0] || whole; // that furthest out
  draw();
  let last = box.clientWidth;
  window.addEventListener("resize", () => { if (box.clientWidth !== last) { last = box.clientWidth; draw(); } });
  window.addEventListener("beforeprint", draw);
}

// Stacks {count, names}, innermost first, as rows.
function ofStacks(stacks) {
  const whole = { inside: new Map() };
  for (const { count, names } of stacks) {
    let at = whole;
    for (const name of names.slice().reverse()) {
      const label = name.replace(/\+0x[0-9a-f]+$/, "");
      if (!at.inside.has(label)) at.inside.set(label, { weight: 0, inside: new Map() });
      at = at.inside.get(label);
      at.weight += count;
    }
  }
  const rows = [], todo = [...whole.inside].map((each) => [0, ...each]).reverse();
  while (todo.length) {
    const [depth, name, node] = todo.pop();
    rows.push([depth, name, node.weight]);
    todo.push(...[...node.inside].map((each) => [depth + 1, ...each]).reverse());
  }
  return rows;
}

const ofGraph = (nodes) => nodes.map((node) => [node.depth, node.name, node.time]);

// --- the tree: rows [depth, name, arguments, ns] --------------------------------------------------------

function children(nodes, parent, from) {
  for (const node of nodes.slice(from, from + MOST)) {
    const [depth, name, text, ns] = node.row;
    const row = make("div", null, parent, "call");
    make("time", ns === null ? "" : timeText(ns), row);
    const button = make(node.inside.length ? "button" : "i", node.inside.length ? "▸" : "", row);
    const said = make("span", null, row);
    make("b", name, said);
    said.append(ns === null && text ? `(${text})` : text);
    if (!node.inside.length) continue;
    const inside = make("div", null, parent, depth < 24 ? "inside" : "inside deep");
    const toggle = () => {
      if (inside.childElementCount) inside.replaceChildren();
      else children(node.inside, inside, 0);
      button.textContent = inside.childElementCount ? "▾" : "▸";
      button.ariaExpanded = String(inside.childElementCount > 0);
    };
    button.onclick = toggle;
    button.ariaLabel = "calls in " + name;
    button.ariaExpanded = "false";
    if (nodes.length === 1 && depth < 24) toggle();
  }
  if (nodes.length > from + MOST) {
    const more = make("button", `${nodes.length - from - MOST} more`, parent, "more");
    more.onclick = () => { more.remove(); children(nodes, parent, from + MOST); };
  }
}

// --- the page ---------------------------------------------------------------------------------------

function status(found) {
  if (!found) return "it failed";
  if (found.reason) return "it was ended: " + found.reason;
  if (!found.signal) return "exit status " + found.code;
  const [place, ...callers] = found.stack;
  const where = place ? " in " + place : "";
  return "killed by signal " + found.signal + where + (callers.length ? ", called from " + callers.join(", ") : "");
}

function summary(events) {
  const rows = Object.entries(events).filter(([, each]) => each.calls).sort((a, b) => b[1].total - a[1].total);
  if (!rows.length) return make("p", "no call returned", main);
  const names = ["total", "own", "mean", "p99", "max"];
  sortable(["calls", ...names, "function"], rows.map(([name, each]) =>
    [[String(each.calls), each.calls], ...names.map((key) => [timeText(each[key]), each[key]]), [nameOf(name), nameOf(name)]]));
}

// Bars of one event: an object by bucket, or such objects by key.
function histogram(value, text) {
  const counts = value.histogram || value;
  if (!Object.values(counts).every(Number.isInteger)) {
    for (const [key, each] of Object.entries(value.keys || value)) {
      make("p", key || '""', main);
      histogram(each, text);
    }
    return;
  }
  bars(counts, text);
  if (value.histogram) quantiles(value);
}

const notHit = (count) => make("p", `${count} event${count === 1 ? "" : "s"} without a hit.`, main);

const isEmpty = (value) => !value || Object.keys(Array.isArray(value) ? value : value.histogram || value.keys || value).length === 0;

function drawEvent(kind, name, value) {
  make("p", nameOf(name), main);
  if (["stacks", "profile"].includes(kind)) flame(ofStacks(value), String);
  else if (kind === "count") counted(typeof value === "number" ? { [nameOf(name)]: value } : value, "key");
  else histogram(value, kind === "latency" ? timeText : String);
}

function consumer(found, number) {
  section(found.title + (found.event ? " of " + found.event : ""));
  const events = (found.found || {}).events || {};
  const names = Object.keys(events);
  if (found.name === "summary" && names.length) return summary(events);
  if (found.name === "count" && names.length && names.every((name) => typeof events[name] === "number"))
    return counted(byName(events), "event");
  const drawn = DRAWN.includes(found.name) && names.length > 0;
  const values = names.map((name) => [name, (events[name] || {}).found || events[name]]);
  const hit = drawn ? values.filter(([, value]) => !isEmpty(value)) : [];
  for (const [name, value] of hit) drawEvent(found.name, name, value);
  for (const name of names) if ((events[name] || {}).lost) make("p", `${events[name].lost} hits of ${nameOf(name)} are not in it.`, main);
  if (drawn && hit.length < names.length) notHit(names.length - hit.length);
  const graph = found.name === "graph" ? (found.found || {}).tree || [] : [];
  flame(ofGraph(graph), timeText);
  if (!hit.length && !graph.length) return make("pre", data.texts[number], main);
  const details = make("details", null, main);
  make("summary", "as text", details);
  make("pre", data.texts[number], details);
}

facts([["result", status(data.status)], ...Object.entries(data.setup), ...Object.entries(data.versions)]);
data.consumers.forEach(consumer);
if (data.calls && data.calls.tasks.length) {
  section("Where time goes");
  flame(data.calls.flame, timeText);
  section("Calls");
  if (data.calls.left_out) make("p", `${data.calls.left_out} later ones are left out.`, main);
  for (const [title, rows] of data.calls.tasks) {
    make("p", title, main);
    children(nested(rows)[0].inside, make("div", null, main, "tree"), 0);
  }
}
const ends = new Set(data.events.map((each) => each.name + "__return")); // as often as what they end
const hit = data.events.filter((each) => each.hits && !ends.has(each.name)).sort((a, b) => b.hits - a.hits);
section("Events");
if (!data.events.length) make("p", "none", main);
if (hit.length) counted(byName(Object.fromEntries(hit.map((each) => [each.name, each.hits]))), "event");
const without = data.events.filter((each) => !each.hits).length;
if (without) notHit(without);
document.body.dataset.drawn = Math.round(performance.now()); // milliseconds from when it was opened
