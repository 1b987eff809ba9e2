// The OpenAPI document as a page.

import { SITE } from "./api.js";
import { element, find } from "./dom.js";

const { paths } = await (await fetch(`${SITE}openapi.json`)).json();
const groups = new Map();

for (const [path, methods] of Object.entries(paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const group = operation.tags?.[0] ?? "other";
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(describe(method, path, operation));
  }
}

for (const [group, operations] of groups) {
  find("operations").append(element("section", {}, element("h2", { textContent: group }), ...operations));
}

function describe(method, path, { description = "", parameters = [] }) {
  const asked = parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name);
  const address = element("p", { className: "address" },
    element("code", { className: "method", textContent: method.toUpperCase() }),
    element("code", { textContent: asked.length ? `${path}?${asked.join("&")}` : path }));
  return element("article", {}, address, element("p", {}, ...withCode(description)));
}

function withCode(text) {
  // Descriptions mark code with double backticks.
  return text.split("``").map((part, index) => (index % 2 ? element("code", { textContent: part }) : part));
}
