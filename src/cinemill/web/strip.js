// The timeline of a render as a strip: clips to scale, what is written over them, and how far each
// piece is. With a player it has a playhead, and a click seeks.

import { getAsset, getTimeline } from "./api.js";
import { element, fromTemplate } from "./dom.js";
import { formatClock, formatSeconds } from "./format.js";
import { parseSprite, pictureOf, tileAt } from "./sprite.js";

const CLIP_HEIGHT = 56;
const LEAST_CLIP_WIDTH = 44;
const MOST_WIDTH = 16000;
const MOST_THUMBS = 12;
const MOST_PICTURED = 200;
const TICK_WIDTH = 72;
const TICKS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const STATES = ["failed", "working", "waiting", "done", "reused"];

export class Strip {
  #place;
  #jobId;
  #player;
  #drawn = "";
  #pieces = [];
  #seconds = 1;

  constructor(place, jobId, player = null) {
    place.append(fromTemplate("strip-template"));
    place.hidden = false;
    this.#place = place;
    this.#jobId = jobId;
    this.#player = player;
    if (player) this.#follow(player.video);
  }

  #find(name) {
    return this.#place.querySelector(name);
  }

  async refresh() {
    const layout = await getTimeline(this.#jobId);
    const { pieces, ...fixed } = layout;
    const drawn = JSON.stringify([fixed, pieces.length]);
    if (drawn !== this.#drawn) this.#draw(layout);
    this.#drawn = drawn;
    this.#showStates(pieces);
  }

  #draw({ seconds, clips, titles, subtitles, pieces }) {
    this.#seconds = seconds;
    const width = this.#chooseWidth(clips, seconds);
    this.#find(".strip-body").style.width = width ? `${width}px` : "100%";
    const perSecond = this.#find(".strip-body").clientWidth / seconds;
    this.#find(".ruler").replaceChildren(...this.#ticks(seconds, perSecond));
    const rows = clips.map((clip, index) => this.#clip(clip, index));
    this.#find(".clips").replaceChildren(...rows);
    this.#find(".joints").replaceChildren(...this.#joints(clips));
    for (const [name, texts] of Object.entries({ titles, subtitles })) {
      this.#find(`.${name}`).replaceChildren(...texts.map((one) => this.#mark(one)));
      this.#find(`.${name}`).hidden = texts.length === 0;
    }
    this.#pieces = pieces.map((piece) => this.#lay(element("i"), piece.start, piece.seconds));
    this.#find(".pieces").replaceChildren(...this.#pieces);
    if (clips.length <= MOST_PICTURED) this.#picture(clips, rows, perSecond);
  }

  // As wide as the page, or as the shortest clip needs to be seen.
  #chooseWidth(clips, seconds) {
    const shortest = Math.min(...clips.map((clip) => clip.seconds));
    const wished = (seconds / shortest) * LEAST_CLIP_WIDTH;
    return wished > this.#find(".strip-scroll").clientWidth ? Math.min(MOST_WIDTH, Math.round(wished)) : 0;
  }

  #lay(node, start, seconds) {
    node.style.left = `${(100 * start) / this.#seconds}%`;
    node.style.width = `${(100 * seconds) / this.#seconds}%`;
    return node;
  }

  #ticks(seconds, perSecond) {
    const step = TICKS.find((one) => one * perSecond >= TICK_WIDTH) ?? TICKS.at(-1);
    const count = Math.min(1000, Math.ceil(seconds / step));
    return Array.from({ length: count }, (_, at) => {
      const words = step < 1 ? `${at * step} s` : formatClock(at * step);
      return this.#lay(element("span", { textContent: words }), at * step, step);
    });
  }

  #clip(clip, index) {
    const name = clip.is_gap ? "Background" : (clip.name ?? "");
    const words = element("span", { className: "clip-name", textContent: name });
    const inner = element(this.#player ? "button" : "div", { className: "clip" },
      element("span", { className: "thumbs" }), words);
    if (this.#player) inner.type = "button";
    else inner.setAttribute("role", "img");
    inner.classList.toggle("gap", clip.is_gap);
    describe(inner, clip, index, name);
    return this.#lay(element("li", {}, inner), clip.start, clip.seconds);
  }

  // Both clips are seen there: how one becomes the other.
  #joints(clips) {
    return clips.flatMap(({ transition, start, seconds }) => {
      if (!transition) return [];
      const made = element("i", { title: `${transition.kind}, ${transition.seconds} s` });
      return [this.#lay(made, start + seconds - transition.seconds, transition.seconds)];
    });
  }

  #mark({ start, end, text }) {
    const made = element("li", { title: text });
    made.append(element("span", { className: "visually-hidden", textContent: `${formatClock(start)}: ${text}` }));
    return this.#lay(made, start, end - start);
  }

  async #picture(clips, rows, perSecond) {
    const films = new Map();
    const look = (id) => films.get(id) ?? films.set(id, lookAt(id)).get(id);
    await Promise.all(clips.map(async (clip, index) => {
      if (!clip.asset_id) return;
      const film = await look(clip.asset_id);
      if (!film) return;
      const inner = rows[index].firstElementChild;
      inner.querySelector(".clip-name").textContent ||= film.name;
      describe(inner, clip, index, clip.name ?? film.name);
      inner.firstElementChild.replaceChildren(...thumbs(film, clip, clip.seconds * perSecond));
    }));
  }

  #showStates(pieces) {
    pieces.forEach(({ status }, index) => {
      const node = this.#pieces[index];
      if (node.className !== status) node.className = status;
    });
    const counts = STATES.map((state) => [pieces.filter(({ status }) => status === state).length, state]);
    const told = counts.filter(([count]) => count).map(([count, state]) => `${count} ${state}`);
    const of = pieces.length === 1 ? "1 piece" : `${pieces.length} pieces`;
    this.#find(".pieces-told").textContent = `${of}: ${told.join(", ")}`;
    this.#find(".strip-length").textContent = formatSeconds(this.#seconds);
  }

  #follow(video) {
    const head = this.#find(".playhead");
    head.hidden = false;
    const show = () => {
      head.style.left = `${Math.min(100, (100 * video.currentTime) / this.#seconds)}%`;
      this.#keepInView(head.offsetLeft, video.paused);
    };
    const run = () => {
      show();
      if (!video.paused && head.isConnected) requestAnimationFrame(run);
    };
    video.addEventListener("play", run);
    for (const name of ["seeked", "pause"]) video.addEventListener(name, show);
    this.#find(".strip-body").addEventListener("click", (event) => {
      const clip = event.target.closest("li");
      // A key has no place: it goes to where the clip begins.
      const share = event.detail === 0 && clip
        ? parseFloat(clip.style.left) / 100
        : (event.clientX - this.#find(".strip-body").getBoundingClientRect().left) / this.#find(".strip-body").clientWidth;
      video.currentTime = share * this.#seconds;
    });
  }

  #keepInView(left, isPaused) {
    const scroll = this.#find(".strip-scroll");
    const isOutside = left < scroll.scrollLeft || left > scroll.scrollLeft + scroll.clientWidth;
    if (isOutside && !isPaused) scroll.scrollLeft = left - scroll.clientWidth / 8;
  }
}

function describe(inner, { start, seconds, transition }, index, name) {
  const joint = transition ? `, then ${transition.kind} for ${transition.seconds} s` : "";
  const words = `Clip ${index + 1}: ${name}, ${formatClock(start)} to ${formatClock(start + seconds)}${joint}`;
  inner.setAttribute("aria-label", words);
  inner.title = words;
}

// What there is to see of a film: its sprite, else its poster; null where it is gone.
async function lookAt(assetId) {
  try {
    const { filename: name, artifacts } = await getAsset(assetId);
    const urls = Object.fromEntries(artifacts.map(({ kind, url }) => [kind, url]));
    const index = urls.sprite && urls.sprite_index ? await fetch(urls.sprite_index) : null;
    const tiles = index?.ok ? parseSprite(await index.text()) : [];
    return { name, sprite: urls.sprite, poster: urls.poster, tiles };
  } catch {
    return null;
  }
}

function thumbs({ sprite, poster, tiles }, clip, width) {
  if (!tiles.length) return poster ? [thumb(picture(poster))] : [];
  const shown = (CLIP_HEIGHT * tiles[0].width) / tiles[0].height;
  const count = Math.max(1, Math.min(MOST_THUMBS, Math.round(width / shown)));
  return Array.from({ length: count }, (_, at) => {
    const moment = clip.source_start + ((at + 0.5) / count) * clip.seconds;
    return thumb(pictureOf(sprite, tiles, tileAt(tiles, moment), { height: CLIP_HEIGHT }));
  });
}

const thumb = (inner) => element("span", { className: "thumb" }, inner);

function picture(url) {
  const made = element("span", { className: "whole" });
  made.style.backgroundImage = `url("${url}")`;
  return made;
}
