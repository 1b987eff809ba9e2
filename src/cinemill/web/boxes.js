// Boxes around faces, over the picture of the player.

import { element } from "./dom.js";

// About one frame: within it, a box is where it was measured.
const EXACT_MS = 45;
// Between two measurements that are not further apart, a box moves from one to the other.
const BRIDGE_MS = 2500;
// After and before a lone measurement, its box is shown for this long.
const HOLD_MS = 300;
const FIELDS = ["left", "top", "width", "height"];

export class Boxes {
  #video;
  #size;
  #faces = new Map();
  #regions = [];
  #nodes = new Map();
  #place = element("div", { className: "boxes" });
  #ruler = element("span", { className: "box-label" });
  #measured = new Map();

  // ``size`` is that of the picture that the boxes were measured in.
  constructor(player, size) {
    this.#video = player.video;
    this.#size = size;
    this.#place.setAttribute("aria-hidden", "true");
    this.#ruler.style.visibility = "hidden";
    this.#place.append(this.#ruler);
    player.place.append(this.#place);
    this.#follow();
  }

  // ``faces`` maps numbers of faces to [{ ms, score, box }] in order of time.
  show(faces, regions) {
    this.#faces = faces;
    this.#regions = regions;
    this.#draw();
  }

  setShown(isShown) {
    this.#place.hidden = !isShown;
    this.#draw();
  }

  #follow() {
    const video = this.#video;
    const run = () => {
      this.#draw();
      if (!video.paused && this.#place.isConnected) requestAnimationFrame(run);
    };
    video.addEventListener("play", run);
    for (const name of ["seeked", "pause", "loadedmetadata", "timeupdate"]) {
      video.addEventListener(name, () => this.#draw());
    }
    new ResizeObserver(() => this.#draw()).observe(video);
  }

  #draw() {
    if (this.#place.hidden) return;
    const picture = fitPicture(this.#video, this.#pictureSize());
    for (const name of FIELDS) {
      const offset = { left: this.#video.offsetLeft, top: this.#video.offsetTop }[name] ?? 0;
      this.#place.style[name] = `${picture[name] + offset}px`;
    }
    const ms = 1000 * this.#video.currentTime;
    const found = boxesAt(this.#faces, ms).map((one) => this.#describe(one, ms, picture.width / this.#size.width));
    found.sort((a, b) => b.isMarked - a.isMarked || a.face - b.face);
    for (const [face, nodes] of this.#nodes) {
      for (const node of Object.values(nodes)) node.hidden = !found.some((one) => one.face === face);
    }
    const spots = placeLabels(found, picture);
    found.forEach((one, at) => this.#put(one, spots[at]));
  }

  #pictureSize() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    return width && height ? { width, height } : this.#size;
  }

  // A box in pixels of the page, with its possible labels, the best first.
  #describe({ face, box, score, isExact }, ms, scale) {
    const scaled = Object.fromEntries(FIELDS.map((name) => [name, box[name] * scale]));
    const isMarked = this.#regions.some((one) => one.face === face && ms >= one.start_ms && ms < one.end_ms);
    const words = isExact && score !== null ? `Face ${face} · ${score.toFixed(2)}` : `Face ${face}`;
    return { face, ...scaled, isExact, isMarked, labels: [words, String(face)].map((one) => this.#measure(one)) };
  }

  #measure(words) {
    if (!this.#measured.has(words)) {
      this.#ruler.textContent = words;
      const { offsetWidth: width, offsetHeight: height } = this.#ruler;
      if (!width) return { words, width, height };  // The player is hidden.
      this.#measured.set(words, { words, width, height });
    }
    return this.#measured.get(words);
  }

  #put({ face, isExact, isMarked, ...place }, spot) {
    const { box, label } = this.#nodesOf(face);
    for (const name of FIELDS) box.style[name] = `${place[name]}px`;
    box.className = ["box", isExact ? "" : "between", isMarked ? "marked" : ""].filter(Boolean).join(" ");
    label.hidden = !spot;
    if (!spot) return;
    label.className = isMarked ? "box-label marked" : "box-label";
    label.style.left = `${spot.left}px`;
    label.style.top = `${spot.top}px`;
    if (label.textContent !== spot.words) label.textContent = spot.words;
  }

  #nodesOf(face) {
    if (!this.#nodes.has(face)) {
      const nodes = { box: element("div"), label: element("span") };
      for (const node of Object.values(nodes)) node.dataset.face = face;
      this.#nodes.set(face, nodes);
      this.#place.append(nodes.box, nodes.label);
    }
    return this.#nodes.get(face);
  }
}

// Where the labels of boxes lie, so that none covers another: { words, left, top, width, height } for each
// box, or null where there is no space. The first boxes choose first, and each takes the first of its
// ``labels`` that fits: above or below the box if that is no other's place, else inside.
export function placeLabels(boxes, picture) {
  const placed = [];
  return boxes.map((box) => {
    const isFree = (spot) => !placed.some((other) => overlap(spot, other));
    const isClear = (spot) => isFree(spot) && !boxes.some((other) => other !== box && overlap(spot, other));
    for (const label of box.labels) {
      const inside = listSpots(box, label, picture, [box.top, box.top + box.height - label.height]);
      const outside = listSpots(box, label, picture, [box.top - label.height, box.top + box.height]);
      const found = [...outside, ...inside].find(isClear) ?? [...inside, ...outside].find(isFree);
      if (found) return placed[placed.push(found) - 1];
    }
    return null;
  });
}

// The spots of a label in the picture, at these heights, along the box.
function listSpots(box, { words, width, height }, picture, tops) {
  const rightmost = picture.width - width;
  if (rightmost < 0) return [];
  const lefts = [box.left, box.left + box.width - width].map((left) => Math.min(rightmost, Math.max(0, left)));
  return tops.filter((top) => top >= 0 && top + height <= picture.height)
    .flatMap((top) => lefts.map((left) => ({ words, left, top, width, height })));
}

const overlap = (a, b) => a.left < b.left + b.width && b.left < a.left + a.width
  && a.top < b.top + b.height && b.top < a.top + a.height;

// Where a picture lies in an element that shows it whole and centered (object-fit: contain).
export function fitPicture({ clientWidth, clientHeight }, { width, height }) {
  const scale = Math.min(clientWidth / width, clientHeight / height);
  const [shownWidth, shownHeight] = [width * scale, height * scale];
  return {
    left: (clientWidth - shownWidth) / 2, top: (clientHeight - shownHeight) / 2,
    width: shownWidth, height: shownHeight,
  };
}

// The boxes at a time: measured in that frame, or else estimated from the frames around it.
export function boxesAt(faces, ms) {
  return [...faces].flatMap(([face, samples]) => {
    const found = boxAt(samples.filter(({ box }) => box), ms);
    return found ? [{ face, ...found }] : [];
  });
}

function boxAt(samples, ms) {
  const next = samples.findIndex((one) => one.ms > ms);
  const [before, after] = [samples.at(next < 0 ? -1 : next - 1), next < 0 ? null : samples[next]];
  const known = [next === 0 ? null : before, after].filter(Boolean);
  const [nearest] = known.toSorted((a, b) => Math.abs(a.ms - ms) - Math.abs(b.ms - ms));
  if (!nearest) return null;
  const distance = Math.abs(nearest.ms - ms);
  if (distance <= EXACT_MS) return { box: nearest.box, score: nearest.score, isExact: true };
  const isBetween = known.length === 2 && after.ms - before.ms <= BRIDGE_MS;
  if (isBetween) return { box: mix(before, after, ms), score: null, isExact: false };
  return distance <= HOLD_MS ? { box: nearest.box, score: null, isExact: false } : null;
}

function mix(before, after, ms) {
  const share = (ms - before.ms) / (after.ms - before.ms);
  return Object.fromEntries(FIELDS.map((name) =>
    [name, before.box[name] + share * (after.box[name] - before.box[name])]));
}
