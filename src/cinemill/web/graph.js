// An entity and its nearest neighbors as a picture. The list of relations has the same in words.

import { entityAddress } from "./api.js";
import { drawing } from "./dom.js";

const WIDTH = 360;
const HEIGHT = 270;
const LEAST = 2;
const MOST = 8;
const LONGEST_NAME = 16;

// Returns the picture, or nothing where there are too few neighbors for one.
export function buildGraph(name, relations) {
  const neighbors = new Map(relations.map(({ entity }) => [entity.id, entity]).toReversed());
  const shown = [...neighbors.values()].toReversed().slice(0, MOST);
  if (shown.length < LEAST) return [];
  const center = { x: WIDTH / 2, y: HEIGHT / 2 };
  const places = shown.map((entity, at) => {
    const angle = (2 * Math.PI * at) / shown.length - Math.PI / 2;
    return { entity, x: center.x + 125 * Math.cos(angle), y: center.y + 105 * Math.sin(angle) };
  });
  const lines = places.map(({ x, y }) => drawing("line", { x1: center.x, y1: center.y, x2: x, y2: y }));
  const nodes = places.map(({ entity, x, y }) =>
    drawing("a", { href: entityAddress(entity.id), tabindex: -1 }, ...node(x, y, 6, entity.name)));
  const picture = drawing("svg", { class: "graph", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    ...lines, ...nodes, ...node(center.x, center.y, 9, name, "center"));
  return [picture];
}

function node(x, y, r, name, className = "") {
  // On the side that no line comes from.
  const label = drawing("text", { x, y: y < HEIGHT / 2 - 1 ? y - r - 5 : y + r + 12 });
  label.textContent = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
  const title = drawing("title");
  title.textContent = name;
  return [drawing("circle", { cx: x, cy: y, r, class: className }, title), label];
}
