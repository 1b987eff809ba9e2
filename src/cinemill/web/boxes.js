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

  // ``size`` is that of the picture that the boxes were measured in.
  constructor(player, size) {
    this.#video = player.video;
    this.#size = size;
    this.#place.setAttribute("aria-hidden", "true");
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
    const picture = fitPicture(this.#video, this.#pictureSize());
    for (const name of FIELDS) {
      const offset = { left: this.#video.offsetLeft, top: this.#video.offsetTop }[name] ?? 0;
      this.#place.style[name] = `${picture[name] + offset}px`;
    }
    const ms = 1000 * this.#video.currentTime;
    const found = boxesAt(this.#faces, ms);
    for (const [face, node] of this.#nodes) node.hidden = !found.some((one) => one.face === face);
    for (const one of found) this.#put(one, ms, picture.width / this.#size.width);
  }

  #pictureSize() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    return width && height ? { width, height } : this.#size;
  }

  #put({ face, box, score, isExact }, ms, scale) {
    const node = this.#nodeOf(face);
    for (const name of FIELDS) node.style[name] = `${box[name] * scale}px`;
    const isMarked = this.#regions.some((one) => one.face === face && ms >= one.start_ms && ms < one.end_ms);
    node.className = ["box", isExact ? "" : "between", isMarked ? "marked" : ""].filter(Boolean).join(" ");
    const words = isExact && score !== null ? `Face ${face} · ${score.toFixed(2)}` : `Face ${face}`;
    if (node.firstElementChild.textContent !== words) node.firstElementChild.textContent = words;
  }

  #nodeOf(face) {
    if (!this.#nodes.has(face)) {
      const made = element("div", { className: "box" }, element("span"));
      made.dataset.face = face;
      this.#nodes.set(face, made);
      this.#place.append(made);
    }
    return this.#nodes.get(face);
  }
}

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
