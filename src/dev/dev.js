// The page's side of `pixie dev`: reloads on a new build, swaps style sheets and images, shows build errors.
// No inline script or style and no HTML from strings: it has to run under strict content security policies.
(() => {
  "use strict";
  if (window.__pixie) return;
  window.__pixie = true;
  const own = new URL(document.currentScript.src);
  const token = own.searchParams.get("token");
  let build = own.searchParams.get("build");
  const EVENTS = `/__pixie/events?token=${token}`;

  // --- What was typed survives a reload that we cause; passwords and files do not.
  const KEPT = `pixie:${location.pathname}`;
  const fields = () =>
    [...document.querySelectorAll("input,textarea,select")].filter(
      (field) => !["password", "hidden", "file", "submit", "button"].includes(field.type),
    );
  const reload = () => {
    if (leaving) return;
    const values = fields().map((f) => [f.name, f.type, /radio|checkbox/.test(f.type) ? f.checked : f.value]);
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ values, x: scrollX, y: scrollY }));
    } catch {} // Storage may be switched off; then only the browser's own memory helps.
    leaving = true;
    location.reload();
  };
  let leaving = false;
  const restore = () => {
    let kept;
    try {
      kept = JSON.parse(sessionStorage.getItem(KEPT));
      sessionStorage.removeItem(KEPT);
    } catch {}
    if (!kept) return;
    fields().forEach((field, index) => {
      const [name, type, value] = kept.values[index] ?? [];
      if (name !== field.name || type !== field.type) return;
      if (typeof value === "boolean") field.checked = value;
      else field.value = value;
    });
    scrollTo(kept.x, kept.y);
  };

  // --- The overlay: a build's errors over the page, in a shadow tree that the page's styles do not reach.
  const STYLE = `
    :host{all:initial;position:fixed;inset:0;z-index:2147483647;display:block;background:#0b0e13e0;overflow:auto;
      font:14px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:#e8ebf0}
    section{margin:6vh max(1rem,50% - 32rem);padding:1.25rem 1.5rem;background:#171b22;border-radius:10px;
      border-top:4px solid #ff6b5e;box-shadow:0 10px 40px #000a}
    h1{margin:0 0 .75rem;font:600 16px/1.4 system-ui,sans-serif;color:#ff8a80}
    pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
    p{margin:1rem 0 0;font:13px/1.4 system-ui,sans-serif;color:#9aa5b4}
    .b{font-weight:600}.c31,.c91{color:#ff8a80}.c32,.c92{color:#7ee787}.c33,.c93{color:#f2cc60}
    .c34,.c94{color:#7cb7ff}.c35,.c95{color:#d2a8ff}.c36,.c96{color:#76e3ea}`;
  let overlay = null;
  const hide = () => {
    overlay?.remove();
    overlay = null;
  };
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const show = ({ title, text }) => {
    hide();
    overlay = document.createElement("pixie-overlay");
    const root = overlay.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const card = element("section");
    card.setAttribute("role", "alertdialog");
    card.setAttribute("aria-label", title);
    card.append(element("h1", title), terminal(text.trimEnd()), element("p", "Esc or a click outside hides this; it goes when the build succeeds."));
    root.append(card);
    overlay.addEventListener("click", (event) => event.composedPath().includes(card) || hide());
    document.documentElement.append(overlay);
  };
  // Turns a terminal's text into elements: colours become classes.
  const terminal = (text) => {
    const box = element("pre");
    let classes = "";
    for (const part of text.split(/(\x1b\[[0-9;]*m)/)) {
      const codes = /^\x1b\[([0-9;]*)m$/.exec(part);
      if (codes) classes = styled(classes, codes[1]);
      else box.append(element("span", part, classes));
    }
    return box;
  };
  const styled = (classes, codes) => {
    const numbers = codes.split(";").map(Number);
    if (!codes || numbers[0] === 0) return "";
    if (numbers[0] === 38 && numbers[1] === 5) return `${classes} c${numbers[2] < 8 ? 30 + numbers[2] : 82 + numbers[2]}`;
    return numbers.reduce((all, n) => `${all} ${n === 1 ? "b" : `c${n}`}`, classes);
  };
  addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // --- Style sheets and images are fetched anew in place: the new one is there before the old one goes.
  const same = (link, path) => {
    const at = new URL(link, location.href);
    return at.origin === location.origin && at.pathname.endsWith(`/${path.split("/").pop()}`);
  };
  const fresh = (link) => {
    const at = new URL(link, location.href);
    at.searchParams.set("pixie", Date.now());
    return at.pathname + at.search;
  };
  const loading = new Map(); // A sheet, and the one that is loading to take its place.
  const swapSheet = (old) => {
    loading.get(old)?.remove();
    const next = old.cloneNode();
    next.href = fresh(old.href);
    const over = () => loading.get(old) === next && loading.delete(old);
    next.addEventListener("load", () => over() && old.remove());
    next.addEventListener("error", () => over() && next.remove());
    loading.set(old, next);
    old.after(next);
  };
  const swap = (paths) => {
    let found = false;
    for (const path of paths) {
      for (const old of document.querySelectorAll('link[rel~="stylesheet"][href]')) {
        // Edits may come faster than sheets load.
        if (!same(old.href, path) || [...loading.values()].includes(old)) continue;
        found = true;
        swapSheet(old);
      }
      for (const image of document.querySelectorAll("img[src]")) {
        if (same(image.src, path)) (found = true), (image.src = fresh(image.src));
      }
    }
    return found;
  };
  // A sheet that no link names may be imported by one that is: then all are fetched anew.
  const restyle = ({ paths }) => {
    if (swap(paths)) return;
    const sheets = [...document.querySelectorAll('link[rel~="stylesheet"][href]')].map((link) => new URL(link.href).pathname);
    if (!paths.every((path) => path.endsWith(".css")) || !swap(sheets)) reload();
  };

  // --- News, while somebody looks: browsers allow six connections to one server, and hidden tabs would use them up.
  let source = null;
  let again = 0;
  const connect = () => {
    clearTimeout(again);
    source?.close();
    source = null;
    if (document.visibilityState === "hidden" || leaving) return;
    source = new EventSource(EVENTS);
    const on = (name, run) => source.addEventListener(name, (event) => run(JSON.parse(event.data)));
    on("hello", (number) => (number === build ? hide() : reload()));
    on("failed", show);
    on("ok", hide);
    on("css", restyle);
    on("reload", reload);
    on("restart", () => later(10));
    source.onerror = () => source?.readyState === EventSource.CLOSED && lost();
  };
  const later = (ms) => {
    source?.close();
    again = setTimeout(connect, ms);
  };
  // Refused for good: another `pixie dev` runs with another token, or no program does and its substitute answers.
  const lost = async () => {
    const answer = await fetch(EVENTS, { method: "HEAD" }).catch(() => null);
    if (answer && (answer.status === 403 || answer.status === 503)) reload();
    else later(500);
  };
  document.addEventListener("visibilitychange", connect);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && connect());

  restore();
  connect();
})();
