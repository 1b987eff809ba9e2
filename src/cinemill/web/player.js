// The video player with poster, captions, and thumbnails from the sprite over the seek bar.

import { canRead } from "./api.js";
import { buildControls } from "./controls.js";
import { announce, element } from "./dom.js";
import { formatClock, nameLanguage } from "./format.js";
import { showPlaying } from "./playing.js";
import { parseSprite, showTile, tileAt } from "./sprite.js";
import { buildWave } from "./wave.js";

const PREVIEW_WIDTH = 160;
const STEP_SECONDS = 5;
const RETRY_MS = 2000;
// How often a file is loaded again that breaks off at the same time while Cinemill responds.
const MOST_RETRIES = 3;
const WAITING = "Cinemill does not respond. Playback goes on when it is back.";

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

const wait = () => new Promise((go) => setTimeout(go, RETRY_MS));

class Player {
  #tiles = [];
  #sources;
  #at = -1;
  #track = 0;
  // Where playback goes on once a source is loaded, and whether it is paused there.
  #place = null;
  #lost = { seconds: -1, count: 0 };

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
    this.problem = place.querySelector(".player-problem");
    this.unplayable = this.problem.textContent;
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
    this.#showProblem(isOver ? this.unplayable : "");
    if (!isOver) {
      this.#load(Math.min(Math.max(0, this.#at), this.#sources.length - 1));
      return;
    }
    this.plays.replaceChildren();
    this.onStuck();
  }

  #showProblem(words) {
    this.problem.textContent = words;
    this.problem.hidden = !words;
  }

  // A source that broke off with the connection is kept until Cinemill is back; of one that cannot be
  // played, or is not there any more, the next is tried.
  async #onError() {
    const source = this.#sources[this.#at];
    const isPresent = () => this.video.isConnected && this.#sources[this.#at] === source;
    let isLost = this.video.error?.code === MediaError.MEDIA_ERR_NETWORK;
    this.#keepPlace();
    let isReadable = await canRead(source.url);
    while (isReadable === null && isPresent()) {
      isLost = true;
      this.#lost.count = 0;
      this.#showProblem(WAITING);
      await wait();
      isReadable = await canRead(source.url);
    }
    if (!isPresent()) return;
    this.#showProblem("");
    if (isLost && isReadable && this.#countLost() <= MOST_RETRIES) this.#load(this.#at);
    else this.playNext();
  }

  // How often playback broke off here.
  #countLost() {
    const seconds = this.#place?.seconds ?? 0;
    this.#lost = { seconds, count: seconds === this.#lost.seconds ? this.#lost.count + 1 : 1 };
    return this.#lost.count;
  }

  #keepPlace() {
    const { currentTime: seconds, paused: isPaused } = this.video;
    if (seconds > 0) this.#place = { seconds, isPaused };
  }

  #resume() {
    if (!this.#place) return;
    this.video.currentTime = this.#place.seconds;
    if (!this.#place.isPaused) this.video.play().catch(() => this.#showState());
    this.#place = null;
  }

  // Goes on where the source before was.
  #load(at) {
    this.#keepPlace();
    this.#at = at;
    this.video.src = this.#sources[at].url;
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
    video.addEventListener("error", () => this.#onError());
    video.addEventListener("loadedmetadata", () => {
      this.#resume();
      this.#checkPicture();
    });
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
