// The timeline of a render: clips to scale, titles and subtitles, and the state of each piece. With a
// player it has a playhead, and a click seeks.

import { getAsset, getTimeline } from "./api.js";
import { buildTicks, putAt } from "./axis.js";
import { element, fromTemplate } from "./dom.js";
import { formatClock, formatSeconds } from "./format.js";
import { parseSprite, buildTile, tileAt } from "./sprite.js";

const CLIP_HEIGHT = 56;
const MIN_CLIP_WIDTH = 44;
const MAX_WIDTH = 16000;
const MAX_THUMBS = 12;
const MAX_CLIPS_WITH_THUMBS = 200;
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
    this.#find(".ruler").replaceChildren(...buildTicks(seconds, perSecond));
    const rows = clips.map((clip, index) => this.#clip(clip, index));
    this.#find(".clips").replaceChildren(...rows);
    this.#find(".joints").replaceChildren(...this.#joints(clips));
    for (const [name, texts] of Object.entries({ titles, subtitles })) {
      this.#find(`.${name}`).replaceChildren(...texts.map((one) => this.#mark(one)));
      this.#find(`.${name}`).hidden = texts.length === 0;
    }
    this.#pieces = pieces.map((piece) => this.#position(element("i"), piece.start, piece.seconds));
    this.#find(".pieces").replaceChildren(...this.#pieces);
    if (clips.length <= MAX_CLIPS_WITH_THUMBS) this.#addThumbnails(clips, rows, perSecond);
  }

  // The width in pixels that makes the shortest clip visible, or 0 for that of the page.
  #chooseWidth(clips, seconds) {
    const shortest = Math.min(...clips.map((clip) => clip.seconds));
    const desired = (seconds / shortest) * MIN_CLIP_WIDTH;
    return desired > this.#find(".strip-scroll").clientWidth ? Math.min(MAX_WIDTH, Math.round(desired)) : 0;
  }

  #position(node, start, seconds) {
    return putAt(node, start, seconds, this.#seconds);
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
    return this.#position(element("li", {}, inner), clip.start, clip.seconds);
  }

  // Transitions, during which both clips are visible.
  #joints(clips) {
    return clips.flatMap(({ transition, start, seconds }) => {
      if (!transition) return [];
      const made = element("i", { title: `${transition.kind}, ${transition.seconds} s` });
      return [this.#position(made, start + seconds - transition.seconds, transition.seconds)];
    });
  }

  #mark({ start, end, text }) {
    const made = element("li", { title: text });
    made.append(element("span", { className: "visually-hidden", textContent: `${formatClock(start)}: ${text}` }));
    return this.#position(made, start, end - start);
  }

  async #addThumbnails(clips, rows, perSecond) {
    const assets = new Map();
    const load = (id) => assets.get(id) ?? assets.set(id, loadThumbnails(id)).get(id);
    await Promise.all(clips.map(async (clip, index) => {
      if (!clip.asset_id) return;
      const asset = await load(clip.asset_id);
      if (!asset) return;
      const inner = rows[index].firstElementChild;
      inner.querySelector(".clip-name").textContent ||= asset.name;
      describe(inner, clip, index, clip.name ?? asset.name);
      inner.firstElementChild.replaceChildren(...thumbs(asset, clip, clip.seconds * perSecond));
    }));
  }

  #showStates(pieces) {
    pieces.forEach(({ status }, index) => {
      const node = this.#pieces[index];
      if (node.className !== status) node.className = status;
    });
    const counts = STATES.map((state) => [pieces.filter((piece) => piece.status === state).length, state]);
    const summary = counts.filter(([count]) => count).map(([count, state]) => `${count} ${state}`);
    const of = pieces.length === 1 ? "1 piece" : `${pieces.length} pieces`;
    this.#find(".pieces-summary").textContent = `${of}: ${summary.join(", ")}`;
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
      // A key press has no position, so seek to the beginning of the clip.
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

// An asset's sprite and poster, or null if it has been deleted.
async function loadThumbnails(assetId) {
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
  const count = Math.max(1, Math.min(MAX_THUMBS, Math.round(width / shown)));
  return Array.from({ length: count }, (_, at) => {
    const moment = clip.source_start + ((at + 0.5) / count) * clip.seconds;
    return thumb(buildTile(sprite, tiles, tileAt(tiles, moment), { height: CLIP_HEIGHT }));
  });
}

const thumb = (inner) => element("span", { className: "thumb" }, inner);

function picture(url) {
  const made = element("span", { className: "whole" });
  made.style.backgroundImage = `url("${url}")`;
  return made;
}
