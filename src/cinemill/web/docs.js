// The OpenAPI document as a page.

import { element, find } from "./dom.js";

const { paths } = await (await fetch("/openapi.json")).json();
const rooms = new Map();

for (const [path, methods] of Object.entries(paths)) {
  for (const [method, door] of Object.entries(methods)) {
    const room = door.tags?.[0] ?? "other";
    if (!rooms.has(room)) rooms.set(room, []);
    rooms.get(room).push(describe(method, path, door));
  }
}

for (const [room, doors] of rooms) {
  find("doors").append(element("section", {}, element("h2", { textContent: room }), ...doors));
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
