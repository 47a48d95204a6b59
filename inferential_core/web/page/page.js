// The fleet page. One stream of frames comes in; what is there already is changed in place, so
// that a frame costs what changed in it, however many robots there are. Names and errors come
// from robots and are only ever set as text.

const KEPT_S = 10; // of the timeline
const POINTS = 60; // of a sparkline
const REDRAW_MS = 100; // the timeline moves ten times a second
const SILENT_MS = 6000;
const STATES = { starving: "▲", overdue: "◷", active: "●", gone: "○" };
const OUTCOMES = ["ok", "expired", "superseded", "dropped", "rejected", "errors"];

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

// --- texts ---

const whole = new Intl.NumberFormat("en");
const number = (value, digits = 0) => (value === null ? "–" : value.toFixed(digits));
const percent = (share) => (share === null ? "–" : `${Math.floor(share * 100)} %`);
const milliseconds = (value) =>
  value === null ? "–" : `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} ms`;

function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = parts.findIndex(([size]) => seconds >= size);
  if (at < 0) return "0 s";
  const [size, unit] = parts[at];
  const rest = Math.floor((seconds % size) / (parts[at + 1]?.[0] ?? 1));
  const more = rest && at < 3 ? ` ${rest} ${parts[at + 1][1]}` : "";
  return `${Math.floor(seconds / size)} ${unit}${more}`;
}

// --- elements, written to only where something changed ---

function make(tag, name = "", ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

function say(element, text) {
  if (element.said !== text) {
    element.said = text;
    element.textContent = text;
  }
}

function dress(element, name) {
  if (element.className !== name) element.className = name;
}

// --- drawing ---

const ink = {};
function mixInk() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["line", "quiet", "text", "accent", "accent-soft", "bad", "warn"]) {
    ink[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

function sheet(canvas) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

function drawSparkline(canvas, values) {
  const [pen, width, height] = sheet(canvas);
  const known = values.filter((value) => value !== null);
  if (!known.length || !width) return;
  const most = Math.max(20, ...known), least = Math.max(-most / 2, Math.min(0, ...known));
  const y = (value) => 2 + (height - 4) * (1 - (Math.max(value, least) - least) / (most - least));
  const x = (index) => (width - 3) * (index / (POINTS - 1)) + 1;
  pen.fillStyle = ink.line;
  pen.fillRect(0, y(0), width, 1);
  const shift = POINTS - values.length;
  pen.lineWidth = 1.5;
  pen.strokeStyle = ink.accent;
  pen.beginPath();
  let drawn = false;
  values.forEach((value, index) => {
    if (value === null) return;
    if (drawn) pen.lineTo(x(index + shift), y(value));
    else pen.moveTo(x(index + shift), y(value));
    drawn = true;
  });
  pen.stroke();
  pen.fillStyle = ink.bad;
  values.forEach((value, index) => {
    if (value !== null && value <= 0) pen.fillRect(x(index + shift) - 1.5, y(value) - 1.5, 3, 3);
  });
}

function axis(pen, width, height, left, right) {
  pen.fillStyle = ink.line;
  pen.fillRect(0, height - 13, width, 1);
  pen.fillStyle = ink.quiet;
  pen.font = "10px system-ui, sans-serif";
  pen.textAlign = "left";
  pen.fillText(left, 0, height - 2);
  pen.textAlign = "right";
  pen.fillText(right, width, height - 2);
  return height - 14;
}

function drawSizes(canvas, model) {
  const [pen, width, height] = sheet(canvas);
  const largest = Math.max(model.scale, ...model.sizes.map(([size]) => size));
  const floor = axis(pen, width, height, "1", String(largest));
  const most = Math.max(1, ...model.sizes.map(([, count]) => count));
  const step = width / largest;
  pen.fillStyle = ink.accent;
  for (const [size, count] of model.sizes) {
    const tall = Math.max(1.5, (floor - 4) * (count / most));
    pen.fillRect((size - 1) * step + step * 0.1, floor - tall, Math.max(1, step * 0.8), tall);
  }
}

function drawLatency(canvas, model) {
  const [pen, width, height] = sheet(canvas);
  const largest = Math.max(model.scale, ...model.sizes.map(([size]) => size));
  const known = model.latency_fixed_s !== null;
  const line = (size) => model.latency_fixed_s + model.latency_per_observation_s * size;
  const longest = Math.max(1e-4, ...model.sizes.map(([, , took]) => took), known ? line(largest) : 0);
  const floor = axis(pen, width, height, "1", String(largest));
  const x = (size) => 4 + (width - 8) * (largest > 1 ? (size - 1) / (largest - 1) : 0.5);
  const y = (seconds) => floor - (floor - 14) * (seconds / longest);
  if (known) {
    pen.strokeStyle = ink["accent-soft"];
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x(1), y(line(1)));
    pen.lineTo(x(largest), y(line(largest)));
    pen.stroke();
  }
  pen.fillStyle = ink.accent;
  for (const [size, , took] of model.sizes) {
    pen.beginPath();
    pen.arc(x(size), y(took), 2.5, 0, 7);
    pen.fill();
  }
  pen.fillStyle = ink.quiet;
  pen.textAlign = "left";
  pen.fillText(milliseconds(1000 * longest), 0, 9);
}

// --- the head of the page ---

const tiles = {};
let wanted = "";

function makeTiles() {
  for (const state of Object.keys(STATES)) {
    const mark = make("span", "mark", STATES[state]);
    mark.setAttribute("aria-hidden", "true");
    const count = make("b", "", "0");
    const tile = make("button", state, mark, count, make("span", "", state));
    tile.type = "button";
    tile.setAttribute("aria-pressed", "false");
    tile.title = `show only robots that are ${state}`;
    tile.addEventListener("click", () => {
      wanted = wanted === state ? "" : state;
      for (const [each, { tile }] of Object.entries(tiles)) {
        tile.setAttribute("aria-pressed", String(each === wanted));
      }
      filterRows();
    });
    tiles[state] = { tile, count };
    $("states").append(tile);
  }
}

function showHead(frame) {
  say($("bind"), frame.bind);
  say($("strategy"), frame.strategy);
  say($("uptime"), `up ${duration(frame.uptime_s)}`);
  for (const [state, { tile, count }] of Object.entries(tiles)) {
    const robots = frame.states[state] ?? 0;
    say(count, whole.format(robots));
    dress(tile, robots ? `${state} some` : state);
  }
  const starving = frame.states.starving ?? 0;
  say($("alarm"), starving ? `${starving} starving: ${frame.rows[0][frame.columns.indexOf("id")]}` : "");
  const title = starving ? `▲ ${starving} starving · Inferential` : "Inferential";
  if (document.title !== title) document.title = title;
  showSum(frame);
  showSettings(frame.config);
}

function showSettings({ file, refused, needs_restart: waits }) {
  const told = refused
    ? `✕ ${file} has a mistake and is not applied; the settings stay as they were:\n${refused}`
    : waits.length ? `after a restart: ${waits.join(", ")}` : "";
  say($("settings"), told);
  dress($("settings"), refused ? "settings" : "settings waits");
  $("settings").hidden = !told;
}

const terms = new Map();

function showSum(frame) {
  const term = (name, text, value, name2 = "") => {
    if (!terms.has(name)) {
      const parts = { box: make("span"), value: make("b"), text: document.createTextNode("") };
      parts.box.append(parts.value, parts.text);
      terms.set(name, parts);
      $("sum").append(parts.box);
    }
    const parts = terms.get(name);
    say(parts.value, value);
    if (parts.text.data !== text) parts.text.data = text;
    dress(parts.box, name2);
  };
  const added = [...OUTCOMES, "queued", "in_flight"];
  term("received", " received", whole.format(frame.received));
  for (const name of added) {
    const bad = frame[name] && ["expired", "dropped", "rejected", "errors"].includes(name);
    term(name, ` ${name.replace("_", " ")}`, whole.format(frame[name]), bad ? "bad" : "");
  }
  const off = frame.received - added.reduce((total, name) => total + frame[name], 0);
  const refusals = (frame.doors ?? []).flatMap((door) => Object.values(door.errors));
  const refused = refusals.reduce((total, count) => total + count, 0);
  const apart = [[frame.malformed, "malformed"], [refused, "refused at doors"]]
    .filter(([count]) => count).map(([count, what]) => ` · ${whole.format(count)} ${what}`).join("");
  const told = off ? `✕ ${off} unaccounted for` : `✓ all accounted for`;
  term("verdict", told + apart, "", off ? "verdict bad" : "verdict");
}

// --- models ---

const models = new Map();

function makeModel(id) {
  const card = make("article", "model");
  const parts = { card };
  const part = (name, tag, className = name) => (parts[name] = make(tag, className));
  const figure = (name, text) => {
    const canvas = (parts[name] = make("canvas"));
    canvas.setAttribute("role", "img");
    const caption = (parts[`${name}Text`] = make("figcaption", "", text));
    return make("figure", "", caption, canvas);
  };
  const list = make("dl");
  for (const [name, title] of [["used", "in use"], ["lanes", "replicas"], ["waiting", "waiting"], ["calls", "calls"]]) {
    list.append(make("dt", "", title), part(name, "dd"));
  }
  part("bar", "i", "");
  const words = make("div", "", part("room", "p"), list, make("div", "meter", parts.bar));
  const charts = make("div", "charts", figure("sizes", "observations in a call"), figure("latency", ""));
  card.append(
    make("div", "head", make("h3", "", id), part("version", "span"), part("circuit", "span")),
    make("div", "inside", words, charts),
    part("trouble", "p"),
  );
  $("models").append(card);
  return parts;
}

function room(model) {
  if (model.headroom === null) return ["", "", "how many more robots fit is not known yet"];
  const robots = Math.abs(model.headroom), plural = robots === 1 ? "robot" : "robots";
  const unseen = model.headroom_is_least ? "larger batches were not seen yet" : "";
  if (model.headroom < 0) return [" full", `${unseen && "at most "}${robots} ${plural} too many`, unseen];
  if (robots === 0) return unseen ? ["", "at least 0 more robots fit", unseen] : [" full", "no room for another robot", ""];
  if (robots > 9999) return ["", "over 9999 more robots fit", "like those it serves now"];
  return ["", `${unseen && "at least "}${robots} more ${plural} fit`, unseen || "like those it serves now"];
}

function showModels(frame) {
  const known = new Set(frame.models.map((model) => model.id));
  for (const [id, parts] of models) {
    if (!known.has(id)) {
      parts.card.remove();
      models.delete(id);
    }
  }
  for (const model of frame.models) {
    if (!models.has(model.id)) models.set(model.id, makeModel(model.id));
    const parts = models.get(model.id);
    model.scale = Math.min(model.most_together, 64);
    const busy = model.utilization ?? 0;
    const failing = model.circuit !== "closed";
    dress(parts.card, `model${failing ? " failing" : ""}${busy > 0.9 ? " busy" : ""}`);
    say(parts.version, model.version);
    const state = model.circuit === "starting" ? "… starting" : `✕ circuit ${model.circuit.replace("_", " ")}`;
    say(parts.circuit, model.change ? `… ${model.change}` : failing ? state : "✓ circuit closed");
    const [full, text, small] = room(model);
    dress(parts.room, `room${full}`);
    if (parts.told !== text + small) {
      parts.told = text + small;
      parts.room.replaceChildren(text, text && small ? " " : "", make("small", "", small));
    }
    say(parts.used, percent(model.utilization));
    say(parts.lanes, model.lanes > model.replicas ? `${model.replicas} × ${model.lanes / model.replicas} lanes` : String(model.replicas));
    const why = model.scheduling ? ` · ${model.scheduling}` : "";
    say(parts.waiting, `${model.queued} + ${model.in_flight}${why}`);
    parts.waiting.title = "in the queue + with the model";
    say(parts.calls, `${whole.format(model.batches)}, ${number(model.mean_batch, 1)} each`);
    parts.bar.style.transform = `scaleX(${busy})`;
    drawSizes(parts.sizes, model);
    drawLatency(parts.latency, model);
    const fit = model.latency_fixed_s === null ? "time of a call" :
      `call time ${number(1000 * model.latency_fixed_s, 1)} ms + ${number(1000 * model.latency_per_observation_s, 2)} ms per observation`;
    say(parts.latencyText, fit);
    parts.latency.setAttribute("aria-label", fit);
    parts.sizes.setAttribute("aria-label", model.sizes.map(([size, count]) => `${count} of ${size}`).join(", "));
    say(parts.trouble, failing || model.error_rate > 0.01 ? model.last_error : "");
  }
}

// --- timeline ---

const line = { bars: [], models: [], ahead: -Infinity, every: 1, last: 0 };

function takeBars(frame, arrived) {
  // Server time minus ours; the largest is of the frame that was least delayed.
  line.ahead = Math.max(line.ahead - 0.001, frame.now - arrived / 1000);
  if (line.last) line.every += 0.3 * (Math.min(4, (arrived - line.last) / 1000) - line.every);
  line.last = arrived;
  line.models = frame.models.map(({ id, most_together, lanes }) => ({ id, most_together, lanes }));
  const free = new Map(); // when each lane of each model is free again
  for (const [model, begin, took, size, failed] of frame.bars) {
    if (model < 0) continue;
    const lanes = free.get(model) ?? free.set(model, []).get(model);
    let lane = lanes.findIndex((end) => end <= begin + 1e-4);
    if (lane < 0) lane = Math.min(lanes.length, line.models[model].lanes - 1);
    lanes[lane] = begin + took;
    line.bars.push({ id: line.models[model].id, begin, took, size, failed, lane });
  }
  const since = frame.now - KEPT_S - 2 * line.every - 1;
  let gone = 0;
  while (gone < line.bars.length && line.bars[gone].begin + line.bars[gone].took < since) gone += 1;
  if (gone) line.bars.splice(0, gone);
}

const rowOf = (model) => Math.min(88, 40 + 18 * (Math.min(model.lanes, 4) - 1));

function drawTimeline(now) {
  const canvas = $("timeline");
  const tall = `${Math.max(60, line.models.reduce((sum, model) => sum + rowOf(model) + 8, 16))}px`;
  if (canvas.style.height !== tall) canvas.style.height = tall;
  const [pen, width, height] = sheet(canvas);
  // As much behind as frames are apart, so that bars come in from the right and do not pop up.
  const end = now / 1000 + line.ahead - line.every - 0.1, begin = end - KEPT_S;
  const x = (time) => ((time - begin) / KEPT_S) * width;
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = ink.line;
  for (let second = Math.ceil(begin); second < end; second += 1) {
    pen.fillRect(Math.round(x(second)), 0, 1, height);
  }
  let top = 8;
  for (const model of line.models) {
    const lanes = Math.max(1, Math.min(model.lanes, 4)), row = rowOf(model) / lanes;
    const most = Math.min(model.most_together, Math.max(4, ...line.bars.map((bar) => (bar.id === model.id ? bar.size : 0))));
    for (const bar of line.bars) {
      if (bar.id !== model.id || bar.begin > end) continue;
      const share = Math.min(1, bar.size / most), rise = Math.max(2, (row - 3) * share);
      const floor = top + row * ((bar.lane % lanes) + 1);
      const left = x(bar.begin), wide = Math.max(1, (bar.took / KEPT_S) * width - 0.5);
      pen.globalAlpha = bar.failed ? 1 : 0.35 + 0.65 * share;
      pen.fillStyle = bar.failed ? ink.bad : ink.accent;
      pen.fillRect(left, floor - rise, wide, rise);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = ink.quiet;
    pen.textAlign = "left";
    if (line.models.length > 1) pen.fillText(model.id, 6, top + 10);
    top += rowOf(model) + 8;
  }
}

function keepMoving(now) {
  if (!still.matches && line.models.length) drawTimeline(now);
  setTimeout(() => requestAnimationFrame(keepMoving), REDRAW_MS);
}

// --- robots ---

const rows = new Map();
const body = $("robots").tBodies[0];
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = entry.target.robot;
    row.visible = entry.isIntersecting;
    if (row.visible) fillRow(row);
  }
}, { rootMargin: "200px" });

function makeRow(id) {
  const element = make("tr");
  const cell = (name, tag = "td", role = "cell") => {
    const found = make(tag, name);
    found.setAttribute("role", role);
    element.append(found);
    return found;
  };
  element.setAttribute("role", "row");
  const row = { element, id, history: [], visible: false };
  row.state = cell("state");
  row.name = cell("", "th", "rowheader");
  row.name.scope = "row";
  row.type = make("small");
  row.name.append(id, row.type);
  row.rate = cell("number rate");
  row.p50 = cell("number p50");
  row.p95 = cell("number p95");
  row.onTime = cell("number on-time");
  const spark = cell("spark");
  row.canvas = make("canvas");
  row.canvas.setAttribute("aria-hidden", "true");
  row.runway = make("span");
  spark.append(row.canvas, row.runway);
  row.what = cell("what");
  element.robot = row;
  watcher.observe(element);
  return row;
}

function fillRow(row) {
  const { told } = row;
  say(row.type, told.type);
  say(row.state, told.state);
  say(row.rate, number(told.rate_hz, 1));
  say(row.p50, milliseconds(told.latency_p50_ms));
  say(row.p95, milliseconds(told.latency_p95_ms));
  say(row.onTime, percent(told.on_time));
  const far = told.runway_ms === null || Math.abs(told.runway_ms) > 1e6;
  if (told.asks_when_dry) say(row.runway, "asks when dry");
  else say(row.runway, far ? "–" : milliseconds(told.runway_ms));
  const what = told.why || (told.last_error && `last error: ${told.last_error}`);
  if (row.what.title !== what) row.what.title = what;
  say(row.what, what);
  if (row.visible) drawSparkline(row.canvas, row.history);
}

let turn = 0; // rows out of sight are written in turn, a tenth of them with each frame

function showRobots(frame) {
  const seen = new Set();
  let place = body.firstElementChild;
  turn = (turn + 1) % 10;
  frame.rows.forEach((values, index) => {
    const told = Object.fromEntries(frame.columns.map((name, column) => [name, values[column]]));
    seen.add(told.id);
    let row = rows.get(told.id);
    const isNew = !row;
    if (isNew) rows.set(told.id, (row = makeRow(told.id)));
    row.told = told;
    if (frame.history) row.history = frame.history[told.id] ?? [];
    takePoint(row, frame, told.runway_ms);
    const changed = row.element.className !== told.state;
    dress(row.element, told.state);
    if (isNew || changed || row.visible || index % 10 === turn) fillRow(row);
    if (row.element === place) place = place.nextElementSibling;
    else body.insertBefore(row.element, place);
  });
  for (const [id, row] of rows) {
    if (!seen.has(id)) {
      watcher.unobserve(row.element);
      row.element.remove();
      rows.delete(id);
    }
  }
  const all = Object.values(frame.states).reduce((sum, count) => sum + count, 0);
  $("more").hidden = all > 0 && all <= frame.rows.length;
  say($("more"), all ? `and ${whole.format(all - frame.rows.length)} more robots that are served better` :
    `No robot has asked yet. They connect to ${frame.bind}; inferential bench --server ${frame.bind} plays some.`);
  filterRows();
}

// A point of a sparkline is half a second, however often frames come.
function takePoint(row, frame, runway) {
  const bin = Math.floor(frame.now / 0.5);
  const missed = Math.min(POINTS, bin - (row.bin ?? bin));
  for (let index = 0; index < missed; index += 1) row.history.push(index < missed - 1 ? null : runway);
  if (row.history.length > POINTS) row.history.splice(0, row.history.length - POINTS);
  row.bin = bin;
}

function filterRows() {
  const text = $("filter").value.trim().toLowerCase();
  for (const row of rows.values()) {
    const found = !text || `${row.id} ${row.told.type}`.toLowerCase().includes(text);
    const hidden = !found || (wanted !== "" && row.element.className !== wanted);
    if (row.element.hidden !== hidden) row.element.hidden = hidden;
  }
}

// --- the stream ---

let source = null;
let cut = false;
let heardAt = performance.now();

function take(event) {
  const arrived = performance.now();
  const frame = JSON.parse(event.data);
  heardAt = arrived;
  cut = false;
  showHead(frame);
  showModels(frame);
  takeBars(frame, arrived);
  if (still.matches) drawTimeline(arrived);
  showRobots(frame);
  showLink();
}

function showLink() {
  const silent = performance.now() - heardAt;
  const lost = cut || silent > SILENT_MS;
  say($("link"), lost ? `no word from the server for ${duration(silent / 1000)}` : "live");
  dress($("link"), lost ? "link lost" : "link");
  document.documentElement.classList.toggle("stale", lost);
}

function watch() {
  source?.close();
  source = new EventSource("/api/stream");
  source.addEventListener("begin", take);
  source.addEventListener("frame", take);
  source.addEventListener("error", () => {
    cut = true;
    showLink();
  });
}

// A tab nobody looks at costs the server nothing, and takes none of the few connections a
// browser has for one server.
function lookOrNot() {
  if (document.hidden) source?.close();
  else watch();
}

makeTiles();
mixInk();
dark.addEventListener("change", mixInk);
document.addEventListener("visibilitychange", lookOrNot);
$("filter").addEventListener("input", filterRows);
setInterval(() => {
  if (document.hidden) return;
  showLink();
  if (source?.readyState === EventSource.CLOSED) watch(); // refused once: a browser gives up
}, 2000);
requestAnimationFrame(keepMoving);
lookOrNot();
