// Asks for the JSON each second and changes only what differs, so that nothing flickers.
"use strict";
const INTERVAL = 1000, PATIENCE = 5000, SECONDS = 60, SLOWEST = 8;
const find = id => document.getElementById(id);
const sum = counts => Object.values(counts ?? {}).reduce((all, count) => all + count, 0);
const number = value => (value ?? 0).toLocaleString("en");
const bytes = value => value == null ? "" : `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)} MB`;

function time(seconds) {
  if (seconds == null) return "";
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < .01 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60 % 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600 % 24)} h`;
}

function set(node, key, value) {
  if (node[key] !== value) node[key] = value;
}

/** Makes the parent have one child for each item. */
function fill(parent, items, make, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(make());
  items.forEach((item, at) => update(parent.children[at], item));
}

function element(name, ...children) {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

/** Shows pairs of a name and a value. A third item that is true marks a failure. */
function facts(list, pairs) {
  fill(list, pairs, () => element("div", element("dt"), element("dd")), (node, [name, value, failed]) => {
    set(node.firstChild, "textContent", name);
    set(node.lastChild, "textContent", value);
    set(node, "className", failed ? "failed" : "");
  });
}

/** The counts of the answer before, by name, and when it came. */
let before = new Map(), at = 0;
const history = new Map();

/** Returns how much a count has grown per second, and notes it for the curve. */
function rate(name, count, now, counts) {
  counts.set(name, count);
  const old = before.get(name);
  const grown = old == null || old > count ? 0 : (count - old) / ((now - at) / 1000);
  history.set(name, [...(history.get(name) ?? Array(SECONDS).fill(0)), grown].slice(-SECONDS));
  return grown;
}

const perSecond = value => value < 10 ? value.toFixed(1) : number(Math.round(value));

function curve(name) {
  const values = history.get(name), top = Math.max(1, ...values);
  return values.map((value, x) => `${x},${(19 - value / top * 18).toFixed(1)}`).join(" ");
}

function worker(row, { number: index, pid, state, label, request_id, running_for, held_for, memory, jobs, age }) {
  const job = [label, request_id, held_for == null ? null : `waits for a slow client, ${time(held_for)}`];
  const cells = [index, pid ?? "", state, job.filter(Boolean).join(" · "), time(running_for), bytes(memory), number(jobs), time(age)];
  set(row, "className", state);
  cells.forEach((text, column) => set(row.children[column], "textContent", String(text)));
}

function pool(section, shown, jobs) {
  const part = selector => section.querySelector(selector);
  const { counts } = shown, causes = (name, of) => Object.entries(of).map(([cause, count]) => [`${name}: ${cause}`, number(count), true]);
  set(part("h2"), "textContent", shown.name);
  set(part(".broken"), "hidden", !shown.is_broken);
  part("polyline").setAttribute("points", curve(`pool ${shown.name}`));
  part(".bar i").style.width = `${Math.min(100, 100 * shown.busy / Math.max(1, shown.size))}%`;
  const wait = shown.oldest_wait == null ? "" : ` (${time(shown.oldest_wait)})`;
  const rare = [["Spares", shown.spares], ["Restarts", counts.restarts], ["Retries", counts.retries], ["Slow", counts.slow], ["Recycled", counts.recycled]];
  facts(part("dl"), [
    ["Busy", `${shown.busy} of ${shown.size}${shown.size_max > shown.size ? `, at most ${shown.size_max}` : ""}`],
    ["Queue", number(shown.queued) + wait],
    ["Jobs", number(counts.jobs)],
    ["Jobs/s", perSecond(jobs)],
    ...rare.filter(([, count]) => count > 0).map(([name, count]) => [name, number(count)]),
    ...causes("Kill", counts.kills), ...causes("Exit", counts.exits), ...causes("Refused", counts.refused),
    ...(counts.start_failures ? [["Failed starts", number(counts.start_failures), true]] : []),
  ]);
  fill(part("tbody"), shown.workers, () => element("tr", ...Array.from({ length: 8 }, () => element("td"))), worker);
}

/** Shows the slowest routes of the app; the pages of pixie itself are left out. */
function routes(list, requests) {
  const slowest = list.map(route => ({ ...route, mean: route.seconds / route.requests })).sort((one, other) => other.mean - one.mean);
  set(find("routes"), "hidden", !list.length);
  const row = () => element("tr", ...Array.from({ length: 5 }, () => element("td")));
  fill(find("routes").querySelector("tbody"), slowest.slice(0, SLOWEST), row, (node, { name, mean, errors, requests: all }) => {
    [name || "no route", time(mean), perSecond(requests.get(name)), number(all), number(errors)]
      .forEach((text, column) => set(node.children[column], "textContent", text));
    set(node, "className", errors ? "erring" : "");
  });
}

function show(status, now) {
  const counts = new Map(), { connections, pools } = status, known = (status.routes ?? []).filter(({ name }) => !name.startsWith("pixie::")), all = count => pools.reduce((total, shown) => total + count(shown), 0);
  const jobs = new Map(pools.map(shown => [shown.name, rate(`pool ${shown.name}`, shown.counts.jobs, now, counts)]));
  const requests = new Map(known.map(({ name, requests }) => [name, rate(`route ${name}`, requests, now, counts)]));
  const total = values => perSecond([...values.values()].reduce((sum, value) => sum + value, 0));
  const kills = all(({ counts }) => sum(counts.kills)), exits = all(({ counts }) => sum(counts.exits));
  set(document, "title", `${status.host}: status`);
  set(find("program"), "textContent", `${status.host}, role ${status.role}, process ${status.process}`);
  facts(find("totals"), [
    ["Connections", number(connections.open)],
    status.routes ? ["Requests/s", total(requests)] : ["Accepted/s", perSecond(rate("accepted", connections.accepted, now, counts))],
    ["Busy workers", `${all(({ busy }) => busy)} of ${all(({ size }) => size)}`],
    ["Queue", number(all(({ queued }) => queued))],
    ["Jobs/s", total(jobs)],
    ["Kills and exits", number(kills + exits), kills + exits > 0],
  ]);
  fill(find("pools"), pools, () => find("pool").content.firstElementChild.cloneNode(true), (section, shown) => pool(section, shown, jobs.get(shown.name)));
  routes(known, requests);
  [before, at] = [counts, now];
}

function live(text, failed) {
  set(find("live"), "textContent", text);
  set(find("live"), "className", failed ? "failed" : "");
  document.querySelector("main").classList.toggle("stale", failed);
}

async function refresh() {
  try {
    const asked = { headers: { accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
    const answer = await fetch(location.pathname, asked);
    if (!answer.ok) throw new Error(`Status ${answer.status}`);
    show(await answer.json(), performance.now());
    live("Live", false);
  } catch (error) {
    live(error.message.startsWith("Status") ? error.message : "No answer", true);
  }
  setTimeout(again, INTERVAL);
}

/** A page that is not seen does not ask. */
function again() {
  if (document.hidden) document.addEventListener("visibilitychange", again, { once: true });
  else refresh();
}

again();
