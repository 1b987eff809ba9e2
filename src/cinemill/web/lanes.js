// Lanes under the player: rows on one axis of time, with a playhead. A click, a drag or a key seeks.
//
// A lane is plain data, so that scores, captions and scenes are shown by the same code:
//   { id, label, detail, points, spans, limit }
//   points: [{ ms, value, words }] in order of time; the value is 0 to 1, or null where there is none
//   spans:  [{ start, end, text, words, isMarked }] in milliseconds
//   limit:  the value at which a line is drawn, or null
// Nothing is known of the time between two points, so only neighbors are joined by a line.

import { buildTicks, putAt } from "./axis.js";
import { button, drawing, element } from "./dom.js";
import { formatMoment } from "./format.js";

const SHOWN_LANES = 8;
const MAX_DOTS = 600;
const SNAP_PIXELS = 12;
const PAGE_SHARE = 0.1;
// Frames are shown from their time on, and times are rounded to milliseconds.
const INTO_FRAME_MS = 1;
// Points further apart than this many usual distances are not joined.
const MOST_GAPS = 2.5;
const NEAR_MS = 60;
const HEIGHT = 100;
const WIDTH = 1000;

export class Lanes {
  #place;
  #seconds;
  #ms = 0;
  #video = null;
  #lanes = [];
  #isUnfolded = false;
  #ruler = element("div", { className: "ruler lanes-ruler" });

  // ``onSeek(ms)`` is called when a person chooses a time.
  constructor(place, { durationMs, onSeek = () => {} }) {
    this.#place = place;
    this.#seconds = Math.max(0.001, durationMs / 1000);
    this.onSeek = onSeek;
    new ResizeObserver(() => this.#drawRuler()).observe(this.#ruler);
  }

  show(lanes) {
    this.#lanes = lanes;
    this.#draw();
  }

  // Follows this video, and seeks in it.
  follow(video) {
    this.#video = video;
    const show = () => this.#moveTo(1000 * video.currentTime);
    const run = () => {
      show();
      if (!video.paused && this.#ruler.isConnected) requestAnimationFrame(run);
    };
    video.addEventListener("play", run);
    for (const name of ["seeking", "seeked", "pause", "loadedmetadata"]) video.addEventListener(name, show);
    show();
  }

  seek(ms) {
    const time = Math.min(1000 * this.#seconds, Math.max(0, ms));
    if (this.#video) this.#video.currentTime = (time + INTO_FRAME_MS) / 1000;
    this.#moveTo(time);
    this.onSeek(time);
  }

  // Rows are drawn again as their data arrive; whoever works in one goes on in it.
  #draw() {
    const held = this.#place.contains(document.activeElement) ? document.activeElement.dataset.lane : undefined;
    const shown = this.#isUnfolded ? this.#lanes : this.#lanes.slice(0, SHOWN_LANES);
    const rows = shown.map((lane) => this.#row(lane));
    this.#ruler.setAttribute("aria-hidden", "true");
    const axis = element("div", { className: "lane axis" }, element("div", { className: "lane-label" }), this.#ruler);
    this.#place.replaceChildren(
      element("div", { className: "lanes-body" }, axis, ...rows), ...this.#more());
    this.#moveTo(this.#ms);
    const isHeld = ({ dataset }) => held !== undefined && dataset.lane === held;
    [...this.#place.querySelectorAll(".lane-track")].find(isHeld)?.focus({ preventScroll: true });
  }

  #more() {
    if (this.#lanes.length <= SHOWN_LANES) return [];
    const words = this.#isUnfolded ? `Show ${SHOWN_LANES} rows` : `Show all ${this.#lanes.length} rows`;
    const made = button(words, () => {
      this.#isUnfolded = !this.#isUnfolded;
      this.#draw();
      this.#place.querySelector(".lanes-more").focus();
    }, "button quiet-button lanes-more");
    made.setAttribute("aria-expanded", String(this.#isUnfolded));
    return [made];
  }

  #drawRuler() {
    const width = this.#ruler.clientWidth;
    if (width) this.#ruler.replaceChildren(...buildTicks(this.#seconds, width / this.#seconds));
  }

  #row(lane) {
    const label = element("div", { className: "lane-label" },
      element("span", { className: "lane-name", textContent: lane.label }),
      element("span", { className: "lane-detail", textContent: lane.detail ?? "" }));
    const track = element("div", { className: "lane-track", tabIndex: 0 }, ...this.#drawLane(lane));
    track.dataset.lane = lane.id;
    for (const [name, value] of Object.entries({
      role: "slider", "aria-label": [lane.label, lane.detail].filter(Boolean).join(", "),
      "aria-valuemin": "0", "aria-valuemax": this.#seconds.toFixed(2), "aria-orientation": "horizontal",
    })) track.setAttribute(name, value);
    track.addEventListener("keydown", (event) => this.#onKey(event, lane));
    this.#wirePointer(track, lane);
    return element("div", { className: "lane" }, label, track);
  }

  #drawLane({ points = [], spans = [], limit = null }) {
    const parts = spans.map((span) => this.#span(span));
    if (points.some(({ value }) => value !== null)) parts.push(this.#curve(points, limit));
    if (points.length <= MAX_DOTS) parts.push(...points.map((point) => this.#dot(point, limit)));
    return [...parts, element("span", { className: "lane-head" })];
  }

  #span({ start, end, text = "", words, isMarked }) {
    const made = element("span", { className: isMarked ? "span marked" : "span", title: words },
      element("span", { className: "span-text", textContent: text }));
    return putAt(made, start, Math.max(1, end - start), 1000 * this.#seconds);
  }

  #curve(points, limit) {
    const svg = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    for (const run of joinPoints(points)) {
      const line = run.map((point) => `${this.#x(point.ms)} ${y(point.value)}`).join("L");
      const [first, last] = [run[0], run.at(-1)].map(({ ms }) => this.#x(ms));
      svg.append(drawing("path", { class: "area", d: `M${first} ${HEIGHT}L${line}L${last} ${HEIGHT}Z` }));
      svg.append(drawing("path", { class: "curve", d: `M${line}` }));
    }
    if (limit !== null) {
      svg.append(drawing("line", { class: "limit", x1: 0, x2: WIDTH, y1: y(limit), y2: y(limit) }));
    }
    return svg;
  }

  #dot({ ms, value, words }, limit) {
    const level = value === null ? "none" : limit !== null && value >= limit ? "high" : "low";
    const made = element("i", { className: `dot ${level}`, title: words });
    made.style.left = `${(100 * ms) / (1000 * this.#seconds)}%`;
    made.style.top = `${value === null ? HEIGHT : y(value)}%`;
    return made;
  }

  #x(ms) {
    return ((WIDTH * ms) / (1000 * this.#seconds)).toFixed(2);
  }

  #moveTo(ms) {
    this.#ms = ms;
    const left = `${Math.min(100, ms / (10 * this.#seconds))}%`;
    for (const track of this.#place.querySelectorAll(".lane-track")) {
      track.lastElementChild.style.left = left;
      const lane = this.#lanes.find(({ id }) => String(id) === track.dataset.lane);
      track.setAttribute("aria-valuenow", (ms / 1000).toFixed(2));
      track.setAttribute("aria-valuetext", describeAt(lane, ms));
    }
  }

  #wirePointer(track, lane) {
    const seekTo = (event, isSnapping) => {
      const { left, width } = track.getBoundingClientRect();
      const ms = (1000 * this.#seconds * (event.clientX - left)) / width;
      const reach = isSnapping ? (1000 * this.#seconds * SNAP_PIXELS) / width : 0;
      this.seek(snap(stopsOf(lane), ms, reach));
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      track.setPointerCapture(event.pointerId);
      seekTo(event, true);
    });
    track.addEventListener("pointermove", (event) => {
      if (track.hasPointerCapture(event.pointerId) && event.buttons) seekTo(event, false);
    });
  }

  #onKey(event, lane) {
    const stops = stopsOf(lane);
    const page = 1000 * PAGE_SHARE * this.#seconds;
    const moves = {
      ArrowRight: () => stepFrom(stops, this.#ms, 1), ArrowUp: () => stepFrom(stops, this.#ms, 1),
      ArrowLeft: () => stepFrom(stops, this.#ms, -1), ArrowDown: () => stepFrom(stops, this.#ms, -1),
      Home: () => stops[0] ?? 0, End: () => stops.at(-1) ?? 1000 * this.#seconds,
      PageUp: () => this.#ms + page, PageDown: () => this.#ms - page,
    };
    if (event.key === " ") this.#togglePlayback();
    else if (moves[event.key]) this.seek(moves[event.key]());
    else return;
    event.preventDefault();
  }

  #togglePlayback() {
    if (this.#video?.paused) this.#video.play().catch(() => {});
    else this.#video?.pause();
  }
}

const y = (value) => Number((HEIGHT * (1 - value)).toFixed(2));

// The times of a lane that keys go to, in order.
export function stopsOf({ points = [], spans = [] }) {
  const times = [...points.map(({ ms }) => ms), ...spans.map(({ start }) => start)];
  return [...new Set(times)].sort((a, b) => a - b);
}

// The next stop in a direction, 1 or -1; by seconds where a lane has none, and the last stop at its end.
export function stepFrom(stops, ms, direction) {
  if (!stops.length) return ms + 1000 * direction;
  // A player is a little behind the stop that it was sent to.
  const isBeyond = (stop) => direction * (stop - ms) > 2 * INTO_FRAME_MS;
  const ahead = direction > 0 ? stops.find(isBeyond) : stops.findLast(isBeyond);
  return ahead ?? (direction > 0 ? stops.at(-1) : stops[0]);
}

// The stop that is nearest to a time and at most ``reach`` from it, else the time itself.
export function snap(stops, ms, reach) {
  const nearest = stops.reduce((best, stop) => (Math.abs(stop - ms) < Math.abs(best - ms) ? stop : best), Infinity);
  return Math.abs(nearest - ms) <= reach ? nearest : ms;
}

// The runs of points with values that are close enough to be joined by a line.
export function joinPoints(points) {
  const gaps = points.slice(1).map(({ ms }, at) => ms - points[at].ms).sort((a, b) => a - b);
  const most = MOST_GAPS * (gaps[Math.floor(gaps.length / 2)] ?? 0);
  const runs = [];
  let before = null;
  for (const point of points) {
    const isJoined = before !== null && before.value !== null && point.ms - before.ms <= most;
    if (point.value !== null && isJoined) runs.at(-1).push(point);
    else if (point.value !== null) runs.push([point]);
    before = point;
  }
  return runs;
}

// What a lane has at a time, in words.
export function describeAt({ points = [], spans = [] }, ms) {
  const point = points.find((one) => Math.abs(one.ms - ms) <= NEAR_MS);
  const inside = spans.filter(({ start, end }) => ms >= start && ms < end).map(({ words }) => words);
  return [formatMoment(Math.round(ms)), ...(point ? [point.words] : []), ...inside].join(", ");
}
