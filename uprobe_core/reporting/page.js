"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.querySelector("main");
const MOST = 500; // nodes that are drawn at once

function make(tag, text, parent, name) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  if (name) element.className = name;
  if (parent) parent.append(element);
  return element;
}

function timeText(ns) {
  for (const [size, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "us"]])
    if (ns >= size) return (ns / size).toFixed(3) + " " + unit;
  return Math.round(ns) + " ns";
}

function section(title) {
  make("h2", title, main);
}

function facts(rows) {
  const table = make("table", null, main, "facts");
  for (const [name, value] of rows) {
    const row = make("tr", null, table);
    make("th", name, row);
    make("td", value, row);
  }
}

// A table that is sorted by the column whose head is clicked; cells are [shown, sorts by].
function sortable(heads, rows) {
  const table = make("table", null, main);
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
    make("th", name, head).onclick = () => {
      const sign = typeof rows[0][column][1] === "string" ? 1 : -1;
      rows.sort((a, b) => sign * (a[column][1] > b[column][1] ? 1 : a[column][1] < b[column][1] ? -1 : 0));
      fill();
    };
  });
  fill();
}

function bars(counts, text) {
  const rows = Object.entries(counts);
  const most = Math.max(...rows.map((row) => row[1]));
  sortable(["from", "count", ""], rows.map(([low, count]) => [[text(Number(low)), Number(low)], [String(count), count], ["", count, count / most]]));
}

function quantiles(value) {
  const names = ["p50", "p90", "p99", "max"].filter((name) => Number.isFinite(value[name]));
  make("p", names.map((name) => `${name} ${timeText(value[name])}`).join(" · "), main);
}

function counted(counts, name) {
  const rows = Object.entries(counts).filter((row) => row[1]).sort((a, b) => b[1] - a[1]);
  if (!rows.length) return make("p", "nothing was seen", main);
  const most = rows[0][1];
  sortable(["count", "", name], rows.map(([key, count]) => [[String(count), count], ["", count, count / most], [key, key]]));
}

// --- flame graphs: [name, weight, inside] -------------------------------------------------------------

function color(name) {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  return `hsl(${20 + (hash % 40)} ${60 + (hash >> 8) % 25}% ${66 + (hash >> 16) % 12}%)`;
}

// The first node of a name, those further out first.
function found(whole, name) {
  for (let row = [whole]; row.length; row = row.flatMap((node) => node[2])) {
    const node = row.find((each) => each[0] === name);
    if (node) return node;
  }
  return null;
}

function flame(roots, text) {
  const whole = ["all", roots.reduce((sum, node) => sum + node[1], 0), roots];
  if (!whole[1]) return;
  const line = make("p", "Click to zoom in, on the bottom to zoom out.", main);
  const box = make("div", null, main, "flame");
  function show(top) {
    // What is zoomed into stands in the address, so that it can be kept and sent.
    history.replaceState(null, "", top === whole ? location.pathname : "#zoom=" + encodeURIComponent(top[0]));
    draw(top);
  }
  function draw(top) {
    box.replaceChildren();
    const width = box.clientWidth;
    let rows = 0, count = 0;
    function put(node, left, size, row) {
      if (size * width < 1.5 || count > 4000) return;
      count++;
      rows = Math.max(rows, row + 1);
      const cell = make("div", size * width > 24 ? node[0] : "", box);
      cell.style.cssText = `left:${left * 100}%;width:${size * 100}%;top:${row * 18}px;background:${color(node[0])}`;
      cell.title = `${node[0]}: ${text(node[1])} (${(100 * node[1] / whole[1]).toFixed(1)}%)`;
      cell.onclick = () => show(node === top ? whole : node);
      const inside = Math.max(node[1], node[2].reduce((sum, each) => sum + each[1], 0));
      let at = left;
      for (const each of node[2]) {
        const part = size * each[1] / inside;
        put(each, at, part, row + 1);
        at += part;
      }
    }
    put(top, 0, 1, 0);
    box.style.height = rows * 18 + "px";
    line.textContent = top === whole ? "Click to zoom in." : `${top[0]}: ${text(top[1])}. Click on it to zoom out.`;
  }
  draw(found(whole, decodeURIComponent((location.hash.match(/^#zoom=(.*)$/) || [])[1] || "")) || whole);
  let last = box.clientWidth;
  window.addEventListener("resize", () => { if (box.clientWidth !== last) { last = box.clientWidth; draw(whole); } });
}

function ofStacks(stacks) {
  const root = new Map();
  for (const { count, names } of stacks) {
    let at = root;
    for (const name of names.slice().reverse()) {
      const label = name.replace(/\+0x[0-9a-f]+$/, "");
      if (!at.has(label)) at.set(label, { weight: 0, inside: new Map() });
      at.get(label).weight += count;
      at = at.get(label).inside;
    }
  }
  const plain = (inside) => [...inside].map(([name, node]) => [name, node.weight, plain(node.inside)]);
  return plain(root);
}

const ofGraph = (nodes) => nodes.map((node) => [node.name, node.time, ofGraph(node.inside)]);

// --- the tree: [name, arguments, start, ns, inside] ---------------------------------------------------

function children(nodes, parent, from) {
  for (const node of nodes.slice(from, from + MOST)) {
    const row = make("div", null, parent, "call");
    make("time", node[3] === null ? "" : timeText(node[3]), row);
    const button = make("button", node[4].length ? "▸" : "", row);
    const text = make("span", null, row);
    make("b", node[0], text);
    text.append(node[3] === null && node[1] ? `(${node[1]})` : node[1]);
    if (!node[4].length) continue;
    const inside = make("div", null, parent, "inside");
    const toggle = () => {
      if (inside.childElementCount) inside.replaceChildren();
      else children(node[4], inside, 0);
      button.textContent = inside.childElementCount ? "▾" : "▸";
    };
    button.onclick = toggle;
    if (nodes.length === 1) toggle();
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
  return found.signal ? "killed by signal " + found.signal : "exit status " + found.code;
}

function summary(events) {
  const rows = Object.entries(events).filter(([, each]) => each.calls).sort((a, b) => b[1].total - a[1].total);
  const names = ["total", "own", "mean", "p99", "max"];
  sortable(["calls", ...names, "function"], rows.map(([name, each]) =>
    [[String(each.calls), each.calls], ...names.map((key) => [timeText(each[key]), each[key]]), [name, name]]));
}

function consumer(found, number) {
  section(found.title + (found.event ? " of " + found.event : ""));
  const events = (found.found || {}).events || {};
  const names = Object.keys(events);
  if (found.name === "summary" && names.length) return summary(events);
  if (found.name === "count" && names.length > 1 && names.every((name) => typeof events[name] === "number"))
    return counted(events, "event");
  for (const name of names) {
    const value = events[name];
    if (["stacks", "profile"].includes(found.name) && Array.isArray(value)) { make("p", name, main); flame(ofStacks(value), String); }
    else if (found.name === "latency" && value.histogram) { make("p", name, main); bars(value.histogram, timeText); quantiles(value); }
    else if (found.name === "hist" && Object.values(value).every(Number.isInteger)) { make("p", name, main); bars(value, String); }
    else if (found.name === "count" && value && typeof value === "object") { make("p", name, main); counted(value, "key"); }
  }
  const graph = found.name === "graph" ? (found.found || {}).tree || [] : [];
  flame(ofGraph(graph), timeText);
  const text = make("pre", data.texts[number], main);
  const drawn = ["stacks", "profile", "hist", "count", "latency"].includes(found.name) && names.length;
  if (drawn || graph.length) {
    const details = make("details", null);
    make("summary", "as text", details);
    text.replaceWith(details);
    details.append(text);
  }
}

facts([["result", status(data.status)], ...Object.entries(data.setup), ...Object.entries(data.versions)]);
data.consumers.forEach(consumer);
if (data.calls) {
  section("Where time goes");
  flame(data.calls.flame, timeText);
  section("Calls");
  if (data.calls.left_out) make("p", `${data.calls.left_out} later ones are left out.`, main);
  for (const task of data.calls.tasks) {
    make("p", task[0], main);
    children(task[4], make("div", null, main, "tree"), 0);
  }
}
const ends = new Set(data.events.map((each) => each.name + "__return")); // as often as what they end
const hit = data.events.filter((each) => each.hits && !ends.has(each.name)).sort((a, b) => b.hits - a.hits);
section("Events");
if (hit.length) counted(Object.fromEntries(hit.map((each) => [each.name, each.hits])), "event");
const without = data.events.filter((each) => !each.hits).length;
if (without) make("p", `${without} events without a hit.`, main);
document.body.dataset.drawn = Math.round(performance.now()); // milliseconds from when it was opened
