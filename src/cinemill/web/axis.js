// The ticks of an axis of time.

import { element } from "./dom.js";
import { formatClock } from "./format.js";

const TICK_WIDTH = 72;
const MAX_TICKS = 1000;
const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

// Returns elements that are placed in percent of the axis, which has ``perSecond`` pixels a second.
export function buildTicks(seconds, perSecond) {
  const step = chooseStep(perSecond);
  const count = Math.min(MAX_TICKS, Math.ceil(seconds / step));
  return Array.from({ length: count }, (_, at) => {
    const words = step < 1 ? `${at * step} s` : formatClock(at * step);
    return putAt(element("span", { textContent: words }), at * step, step, seconds);
  });
}

// The shortest time between ticks, in seconds, that leaves room for their words.
export function chooseStep(perSecond) {
  return STEPS.find((one) => one * perSecond >= TICK_WIDTH) ?? STEPS.at(-1);
}

// Places an element on an axis; all in the same unit of time.
export function putAt(node, start, length, total) {
  node.style.left = `${(100 * start) / total}%`;
  node.style.width = `${(100 * length) / total}%`;
  return node;
}
