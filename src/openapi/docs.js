// Shows the OpenAPI document of the app, and sends requests to try an operation.
"use strict";
const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"], DEPTH = 8;
const find = id => document.getElementById(id);
const address = document.querySelector("meta[name=openapi]").content;
let api = {};

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(key, "");
    else if (value != null && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter(child => child != null));
  return node;
}

/** Follows a reference within the document. */
function resolved(value) {
  if (!value?.$ref) return value ?? {};
  const { $ref, ...beside } = value;
  const target = $ref.replace(/^#\//, "").split("/").reduce((node, key) => node?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  return { ...resolved(target), ...beside };
}

/** Shows text with `code` in it, one paragraph for each block. */
function text(markdown) {
  const inline = block => block.split("`").map((part, at) => at % 2 ? element("code", {}, part) : part);
  return element("div", { class: "text" }, ...(markdown ?? "").split(/\n{2,}/).filter(Boolean).map(block => element("p", {}, ...inline(block))));
}

const types = schema => [schema.type ?? (schema.properties ? "object" : [])].flat();

/** Returns the limits of a value in words. */
function limits(schema) {
  const { format, minimum, maximum, minLength, maxLength, pattern } = schema;
  const length = schema.minItems ?? minLength, most = schema.maxItems ?? maxLength;
  const facts = [format, minimum != null && `≥ ${minimum}`, maximum != null && `≤ ${maximum}`, length && `length ≥ ${length}`, most != null && `length ≤ ${most}`, pattern];
  const told = facts.filter(Boolean).join(", ");
  return told && ` (${told})`;
}

/** Returns a schema in the notation of JSON with types in place of values. */
function notation(schema, indent = "", seen = []) {
  const name = schema?.$ref?.split("/").pop();
  if (name && (seen.includes(name) || seen.length > DEPTH)) return name;
  const within = name ? [...seen, name] : seen, next = `${indent}  `;
  schema = resolved(schema);
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.map(one => notation(one, indent, within)).join(" | ");
  if (schema.allOf) return schema.allOf.map(one => notation(one, indent, within)).join(" & ");
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.items) return `[${notation(schema.items, indent, within)}]`;
  if (!schema.properties) {
    const values = schema.additionalProperties && notation(schema.additionalProperties, next, within);
    return values ? `{ [name]: ${values} }` : (types(schema).join(" | ") || "any") + limits(schema);
  }
  const lines = Object.entries(schema.properties).map(([key, value]) => {
    const { description } = resolved(value), mark = schema.required?.includes(key) ? "" : "?";
    return `${next}${key}${mark}: ${notation(value, next, within)}${description ? `  // ${description.split("\n")[0]}` : ""}\n`;
  });
  return `${name ? `${name} ` : ""}{\n${lines.join("")}${indent}}`;
}

/** Returns a value that fits a schema, to begin with. */
function sample(schema, depth = 0) {
  schema = resolved(schema);
  const given = schema.example ?? schema.examples?.[0] ?? schema.default ?? schema.const ?? schema.enum?.[0];
  if (given !== undefined || depth > DEPTH) return given ?? null;
  const one = (schema.oneOf ?? schema.anyOf)?.find(part => resolved(part).type !== "null");
  if (one) return sample(one, depth + 1);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map(part => sample(part, depth + 1)));
  switch (types(schema)[0]) {
    case "object": return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, value]) => [key, sample(value, depth + 1)]));
    case "array": return [sample(schema.items, depth + 1)];
    case "integer": case "number": return Math.max(0, schema.minimum ?? 0);
    case "boolean": return false;
    case "string": return "x".repeat(schema.minLength ?? 0);
    default: return null;
  }
}

/** Makes a row with the name and the type of a value, and a field to write it. */
function field(name, { schema, required, description, place, prefix }) {
  const known = resolved(schema), isFile = known.format === "binary" || resolved(known.items).format === "binary";
  const options = known.enum ?? resolved(known.items).enum;
  const id = `${prefix}-${place}-${name}`, facts = { id, name, "data-place": place, required };
  const input = options && !known.items
    ? element("select", facts, ...(required ? [] : [element("option")]), ...options.map(value => element("option", {}, String(value))))
    : element("input", { ...facts, type: isFile ? "file" : "text", multiple: isFile && known.items != null, autocomplete: "off", value: place === "path" && types(known)[0] === "integer" ? 1 : null });
  const label = element("label", { for: id }, element("b", { class: required && "needed" }, name), element("small", {}, `${place}, ${isFile ? "file" : notation(schema)}`));
  return element("div", { class: "field" }, label, element("div", {}, input, description && element("small", {}, description)));
}

/** Makes the part of the form for a body: a text for JSON, fields for a form. */
function body(operation, prefix) {
  const request = resolved(operation.requestBody), media = Object.keys(request.content ?? {});
  if (!media.length) return [];
  const select = element("select", { name: "media", "aria-label": "Media type" }, ...media.map(name => element("option", {}, name)));
  const place = element("div");
  const show = () => {
    const { schema } = request.content[select.value], known = resolved(schema);
    const isForm = /^(multipart\/form-data|application\/x-www-form-urlencoded)$/.test(select.value);
    if (isForm) {
      const rows = Object.entries(known.properties ?? {}).map(([name, schema]) => field(name, { schema, required: known.required?.includes(name), description: resolved(schema).description, place: "form", prefix }));
      place.replaceChildren(...rows);
    } else if (/json$/.test(select.value)) {
      const area = element("textarea", { name: "body", "aria-label": "Body", spellcheck: "false" }, JSON.stringify(sample(schema), null, 2));
      place.replaceChildren(element("pre", {}, notation(schema)), area);
    } else place.replaceChildren(field("file", { schema: { format: "binary" }, required: request.required, place: "body", prefix }));
  };
  select.addEventListener("change", show);
  show();
  return [element("h3", {}, `Body${request.required ? "" : ", optional"}`), select, place];
}

function responses(operation) {
  const rows = Object.entries(operation.responses ?? {}).map(([status, response]) => {
    const { description, content = {} } = resolved(response), isError = /^[45]/.test(status) || response.$ref;
    const [media, { schema } = {}] = Object.entries(content)[0] ?? [];
    const shown = schema && !isError ? element("pre", {}, notation(schema)) : null;
    const told = element("span", {}, `${description} `, element("span", { class: "soft" }, media ?? ""));
    return element("div", {}, element("b", { class: isError ? "bad" : "good" }, status), told, shown);
  });
  return element("div", { class: "answers" }, ...rows);
}

/** Returns the headers that prove who sends a request, from what is written under Access. */
function access(operation) {
  const headers = {}, wanted = (operation.security ?? api.security ?? []).flatMap(Object.keys);
  for (const name of wanted) {
    const scheme = resolved(api.components?.securitySchemes?.[name]), value = find(`access-${name}`)?.value;
    if (!value) continue;
    if (scheme.type === "apiKey" && scheme.in === "header") headers[scheme.name] = value;
    if (scheme.scheme === "bearer") headers.Authorization = `Bearer ${value}`;
    if (scheme.scheme === "basic") headers.Authorization = `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(value)))}`;
  }
  return headers;
}

/** Returns what the form of an operation says, as the arguments of `fetch`. */
function request(form, method, path, operation) {
  const headers = access(operation), query = new URLSearchParams(), fields = new FormData();
  for (const input of form.querySelectorAll("[data-place]")) {
    const { name, value, files, dataset: { place } } = input;
    if (place === "path") path = path.replace(`{${name}}`, value.split("/").map(encodeURIComponent).join("/"));
    if (place === "query" && value) query.append(name, value);
    if (place === "header" && value) headers[name] = value;
    if (place === "form") files ? [...files].forEach(file => fields.append(name, file)) : value && fields.append(name, value);
  }
  const media = form.elements.media?.value, file = form.querySelector("[data-place=body]")?.files[0];
  let sent = file ?? form.elements.body?.value;
  if (media === "multipart/form-data") sent = fields;
  else if (media === "application/x-www-form-urlencoded") sent = new URLSearchParams(fields);
  else if (media) headers["Content-Type"] = media;
  const asked = { method: method.toUpperCase(), headers, body: sent };
  return [query.size ? `${path}?${query}` : path, asked];
}

async function send(form, result, call) {
  const start = performance.now();
  result.replaceChildren("Sending…");
  try {
    const answer = await fetch(...call()), shown = await answer.text();
    const facts = `${answer.status} ${answer.statusText}, ${Math.round(performance.now() - start)} ms, ${answer.headers.get("content-type") ?? "no content"}`;
    let pretty = shown;
    try { pretty = JSON.stringify(JSON.parse(shown), null, 2); } catch { /* It is not JSON. */ }
    result.replaceChildren(element("p", { class: answer.ok ? "good" : "bad" }, facts), ...(pretty ? [element("pre", {}, pretty)] : []));
  } catch (error) {
    result.replaceChildren(element("p", { class: "bad" }, `No answer: ${error.message}`));
  }
}

function card(path, method, operation, shared) {
  const id = operation.operationId ?? `${method}${path}`, parameters = [...shared, ...(operation.parameters ?? [])].map(resolved);
  const rows = parameters.map(({ name, in: place, schema, required, description }) => field(name, { schema, required, description, place, prefix: id }));
  const result = element("div", { role: "status" });
  const form = element("form", {},
    text(operation.description),
    rows.length ? element("h3", {}, "Parameters") : null, ...rows,
    ...body(operation, id),
    element("button", {}, "Send"), result,
    element("h3", {}, "Responses"), responses(operation));
  form.addEventListener("submit", event => {
    event.preventDefault();
    send(form, result, () => request(form, method, path, operation));
  });
  const lock = operation.security?.length && element("span", { class: "lock" }, Object.keys(operation.security.at(-1)).join(", "));
  const head = element("summary", {}, element("span", { class: `method ${method}` }, method.toUpperCase()), element("span", { class: "path" }, path), element("span", { class: "brief" }, operation.summary ?? ""), lock || null);
  return element("details", { id, class: operation.deprecated ? "deprecated" : null }, head, form);
}

/** Returns all operations by tag, or by the beginning of the path without one. */
function groups() {
  const found = new Map();
  for (const [path, item] of Object.entries(api.paths ?? {})) {
    for (const method of METHODS.filter(method => item[method])) {
      const operation = item[method], group = operation.tags?.[0] ?? `/${path.split("/")[1]}`;
      found.set(group, [...(found.get(group) ?? []), { path, method, operation, shared: item.parameters ?? [] }]);
    }
  }
  return [...found];
}

function showAccess() {
  const rows = Object.entries(api.components?.securitySchemes ?? {}).map(([name, scheme]) => {
    const { type, scheme: kind, in: place, name: key } = resolved(scheme);
    if (type === "apiKey" && place !== "header") return null;
    const what = kind === "basic" ? "name:password" : kind === "bearer" ? "token" : `header ${key}`;
    const input = element("input", { id: `access-${name}`, type: "password", autocomplete: "off" });
    return element("div", { class: "field" }, element("label", { for: input.id }, element("b", {}, name), element("small", {}, what)), input);
  });
  find("access").append(...rows.filter(Boolean));
  find("access").hidden = !rows.some(Boolean);
}

function show() {
  const { title, version, description } = api.info ?? {};
  document.title = title;
  document.querySelector("h1").textContent = title;
  find("version").textContent = version;
  find("about").append(text(description));
  showAccess();
  for (const [group, operations] of groups()) {
    find("operations").append(element("section", {}, element("h2", {}, group), ...operations.map(({ path, method, operation, shared }) => card(path, method, operation, shared))));
    const links = operations.map(({ path, method, operation }) => element("a", { href: `#${operation.operationId}` }, element("span", { class: method }, method.toUpperCase()), ` ${path}`));
    find("index").append(element("section", {}, element("h2", {}, group), ...links));
  }
}

/** Hides what does not have the text that a visitor looks for. */
function filter() {
  const wanted = find("find").value.toLowerCase();
  for (const list of document.querySelectorAll("#operations>section,#index>section")) {
    const items = [...list.querySelectorAll("details,a")];
    items.forEach(item => { item.hidden = !(item.querySelector("summary") ?? item).textContent.toLowerCase().includes(wanted); });
    list.hidden = items.every(item => item.hidden);
  }
}

/** Opens the operation that the address names. */
function open() {
  const target = find(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches("details")) target.open = true;
  target?.scrollIntoView();
}

async function start() {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    api = await answer.json();
    show();
    find("state").textContent = "";
    open();
  } catch (error) {
    find("state").textContent = `The document cannot be shown: ${error.message}`;
    find("state").className = "failed";
  }
}

find("find").addEventListener("input", filter);
addEventListener("hashchange", open);
start();
