// Calls the routes from the first page and shows the workers meanwhile.
"use strict";

function show(article, text, bad) {
  const result = article.querySelector(".result");
  result.textContent = text;
  result.classList.toggle("bad", Boolean(bad));
}

async function run(article) {
  const start = performance.now();
  article.classList.add("running");
  show(article, "…");
  try {
    const response = await fetch(article.dataset.path, { headers: { accept: "application/json" } });
    const type = response.headers.get("content-type") || "";
    if (type.startsWith("text/plain")) await pieces(article, response);
    else await whole(article, response, start);
  } catch (error) {
    show(article, "no answer: " + error.message, true);
  }
  article.classList.remove("running");
}

async function whole(article, response, start) {
  const data = await response.json();
  const took = Math.round(performance.now() - start) + " ms";
  if (!response.ok) return show(article, response.status + " " + data.title + ", after " + took, true);
  const ran = data.ran;
  const where = ran.process + " process " + ran.pid + (ran.worker ? ", worker " + ran.worker : "");
  show(article, response.status + " from " + where + ", thread " + ran.thread + ", after " + took);
}

async function pieces(article, response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = value.trim().split("\n");
    show(article, lines[lines.length - 1]);
  }
}

function tile(worker) {
  const element = document.createElement("div");
  element.className = "worker " + worker.state;
  const name = document.createElement("b");
  name.textContent = "worker " + worker.number + (worker.pid ? ", pid " + worker.pid : "");
  element.append(name, worker.route ? "running " + worker.route : worker.state, document.createElement("br"), worker.jobs + " jobs done");
  return element;
}

async function watch() {
  const pools = await (await fetch("/pool-status")).json();
  const parts = pools.map((pool) => {
    const section = document.createElement("div");
    const line = document.createElement("p");
    line.className = "quiet";
    line.textContent = "pool " + pool.name + ": " + pool.busy + " busy, " + pool.queued + " waiting, " + pool.jobs + " done, " +
      pool.killed + " killed, " + pool.exited + " exited, " + pool.restarted + " started anew";
    const workers = document.createElement("div");
    workers.className = "workers";
    workers.append(...pool.workers.map(tile));
    section.append(line, workers);
    return section;
  });
  document.getElementById("pools").replaceChildren(...parts);
}

const articles = [...document.querySelectorAll("#tries article")];
for (const article of articles) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Run";
  button.addEventListener("click", () => run(article));
  article.querySelector("h3").append(button);
  const result = document.createElement("div");
  result.className = "result";
  const bar = document.createElement("div");
  bar.className = "bar";
  article.append(result, bar);
}
document.getElementById("all").addEventListener("click", () => articles.forEach(run));
watch();
setInterval(() => { if (!document.hidden) watch().catch(() => {}); }, 500);
