// The video player with poster, captions, and thumbnails from the sprite over the seek bar.

import { buildControls } from "./controls.js";
import { announce, element } from "./dom.js";
import { formatClock, nameLanguage } from "./format.js";
import { showPlaying } from "./playing.js";
import { parseSprite, showTile, tileAt } from "./sprite.js";
import { buildWave } from "./wave.js";

const PREVIEW_WIDTH = 160;
const STEP_SECONDS = 5;

// ``sources`` are tried in order; each has a ``url`` and ``words``. ``plays`` is where it says which one
// plays, with a choice of the others; onStuck() is called once none of them can be played.
// Of sound alone, ``isSound`` is true, and its ``waveform`` is shown.
export function buildPlayer(place, options) {
  const { sources, poster, sprite, spriteIndex, captions = [], plays, onStuck, isSound = false, waveform } = options;
  place.classList.toggle("of-sound", isSound);
  place.append(...buildControls({ isSound }));
  const player = new Player(place, sources, { plays, onStuck, isSound });
  if (isSound) buildWave(place, player.video, waveform);
  if (poster) player.video.poster = poster;
  if (sprite && spriteIndex) player.loadSprite(sprite, spriteIndex);
  player.setCaptions(captions);
  player.playNext();
  return player;
}

class Player {
  #tiles = [];
  #sources;
  #at = -1;
  #track = 0;

  // ``video`` is an audio element where there is no picture.
  constructor(place, sources, { plays, onStuck = () => {}, isSound = false }) {
    this.place = place;
    this.isSound = isSound;
    this.#sources = [...sources];
    this.plays = plays;
    this.onStuck = onStuck;
    this.video = place.querySelector("video, audio");
    this.range = place.querySelector("input[type=range]");
    this.clock = place.querySelector(".clock");
    this.preview = place.querySelector(".preview");
    this.captions = place.querySelector(".cc");
    this.#wireButtons();
    this.#wireVideo();
    this.#wireSeek();
    this.#showTime();
  }

  async loadSprite(picture, index) {
    try {
      const response = await fetch(index);
      if (!response.ok) return;
      this.#tiles = parseSprite(await response.text());
      this.preview.firstElementChild.style.backgroundImage = `url("${picture}")`;
    } catch { /* Without the index there are no thumbnails; everything else works. */ }
  }

  toggle() {
    if (this.video.paused) this.video.play().catch(() => this.#showState());
    else this.video.pause();
  }

  // Play the next source, after the one before could not be played.
  playNext() {
    if (this.#at >= 0) this.#sources.splice(this.#at, 1);
    const isOver = this.#sources.length === 0;
    this.place.querySelector(".player-problem").hidden = !isOver;
    if (!isOver) {
      this.#load(Math.min(Math.max(0, this.#at), this.#sources.length - 1));
      return;
    }
    this.plays.replaceChildren();
    this.onStuck();
  }

  // Goes on where the source before was.
  #load(at) {
    const { video } = this;
    const { currentTime: seconds, paused: isPaused } = video;
    this.#at = at;
    video.src = this.#sources[at].url;
    if (seconds > 0) {
      video.addEventListener("loadedmetadata", () => { video.currentTime = seconds; }, { once: true });
      if (!isPaused) video.play().catch(() => this.#showState());
    }
    showPlaying(this.plays, this.#sources, at, (chosen) => {
      this.#load(chosen);
      announce(`Playing: ${this.#sources[chosen].words}`);
    });
  }

  // A browser that cannot decode the picture may play the sound alone.
  #checkPicture() {
    if (!this.isSound && !this.video.videoWidth && this.#at + 1 < this.#sources.length) this.playNext();
  }

  // Replace the caption tracks; each has ``language`` and ``url``.
  setCaptions(captions) {
    for (const old of this.video.querySelectorAll("track")) old.remove();
    this.video.append(...captions.map(({ language, url }) => element("track", {
      kind: "captions", src: url, srclang: language === "und" ? "" : language, label: nameLanguage(language),
    })));
    this.#track = Math.min(this.#track, captions.length - 1);
    this.captions.hidden = captions.length === 0;
    this.#showTrack();
  }

  // Index -1 shows no captions.
  #showTrack() {
    const tracks = [...this.video.querySelectorAll("track")];
    // A browser draws nothing over sound alone, so its captions are drawn here.
    const shown = this.isSound ? "hidden" : "showing";
    tracks.forEach(({ track }, at) => { track.mode = at === this.#track ? shown : "disabled"; });
    const label = tracks[this.#track]?.label ?? "off";
    this.captions.setAttribute("aria-pressed", String(this.#track >= 0));
    this.captions.setAttribute("aria-label", `Captions: ${label}`);
    this.captions.title = `Captions: ${label}`;
  }

  #wireButtons() {
    const button = (name) => this.place.querySelector(`.${name}`);
    button("play").addEventListener("click", () => this.toggle());
    button("mute").addEventListener("click", () => { this.video.muted = !this.video.muted; });
    this.captions.addEventListener("click", () => {
      const count = this.video.querySelectorAll("track").length;
      this.#track = this.#track + 1 >= count ? -1 : this.#track + 1;
      this.#showTrack();
    });
    button("full")?.addEventListener("click", () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else if (this.place.requestFullscreen) this.place.requestFullscreen();
      else this.video.webkitEnterFullscreen?.();  // iPhones support only this method.
    });
    this.place.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #wireVideo() {
    const { video } = this;
    video.addEventListener("click", () => this.toggle());
    for (const name of ["play", "pause", "ended", "volumechange"]) {
      video.addEventListener(name, () => this.#showState());
    }
    for (const name of ["timeupdate", "durationchange", "seeked"]) {
      video.addEventListener(name, () => this.#showTime());
    }
    video.addEventListener("error", () => this.playNext());
    video.addEventListener("loadedmetadata", () => this.#checkPicture());
  }

  #wireSeek() {
    const { range } = this;
    range.addEventListener("input", () => {
      this.video.currentTime = Number(range.value);
      this.#showTime();
    });
    range.addEventListener("pointermove", (event) => this.#showPreview(event));
    range.addEventListener("pointerleave", () => { this.preview.hidden = true; });
  }

  #onKey(event) {
    if (event.target.matches("button") && (event.key === " " || event.key === "Enter")) return;
    if (event.target === this.range && event.key.startsWith("Arrow")) return;
    if (event.key === " " || event.key === "k") this.toggle();
    else if (event.key === "ArrowLeft") this.video.currentTime -= STEP_SECONDS;
    else if (event.key === "ArrowRight") this.video.currentTime += STEP_SECONDS;
    else return;
    event.preventDefault();
  }

  #showState() {
    const { video } = this;
    this.place.classList.toggle("playing", !video.paused && !video.ended);
    this.place.classList.toggle("muted", video.muted);
    this.place.querySelector(".play").setAttribute("aria-label", video.paused ? "Play" : "Pause");
    this.place.querySelector(".mute").setAttribute("aria-pressed", String(video.muted));
  }

  #showTime() {
    const { video, range } = this;
    const duration = Number.isFinite(video.duration) ? video.duration : 0;
    range.max = String(duration || 1);
    range.value = String(video.currentTime);
    const words = `${formatClock(video.currentTime)} / ${formatClock(duration)}`;
    this.clock.textContent = words;
    range.setAttribute("aria-valuetext", words.replace("/", "of"));
  }

  #showPreview(event) {
    const duration = this.video.duration;
    const box = this.range.getBoundingClientRect();
    if (!this.#tiles.length || !Number.isFinite(duration) || !box.width) return;
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const tile = tileAt(this.#tiles, share * duration);
    showTile(this.preview.firstElementChild, this.#tiles, tile, { width: PREVIEW_WIDTH });
    this.preview.lastElementChild.textContent = formatClock(share * duration);
    const left = Math.min(box.width - PREVIEW_WIDTH, Math.max(0, share * box.width - PREVIEW_WIDTH / 2));
    this.preview.style.left = `${left}px`;
    this.preview.hidden = false;
  }
}
