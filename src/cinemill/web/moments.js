// Moments of videos: a picture, what is said there, and the moment itself while one points at it.

import { getAsset, momentAddress } from "./api.js";
import { element } from "./dom.js";
import { formatClock } from "./format.js";
import { markWords } from "./marks.js";
import { listSmallSources } from "./sources.js";

// A pointer that only passes over a moment starts no download.
const REST_MS = 120;
// What was seen in a single frame plays for so long: nobody recognises a tenth of a second.
const LEAST_SECONDS = 2;
const assets = new Map();
const wantsStillness = matchMedia("(prefers-reduced-motion: reduce)");
let stopPlaying = () => {};

// An entry of a list. A ``moment`` has an asset_id, start and end in seconds, text, and a title,
// which is looked up where it is missing; ``number`` is that of a citation.
export function buildMoment(moment, { query = "", number = null } = {}) {
  const title = element("span", { className: "moment-title", textContent: moment.title || "…" });
  const picture = element("span", { className: "moment-picture" },
    element("span", { className: "moment-clock", textContent: formatRange(moment) }));
  if (number !== null) picture.append(element("span", { className: "moment-number", textContent: String(number) }));
  const text = element("span", { className: "moment-text" }, ...markWords(moment.text ?? "", query));
  const link = element("a", { href: momentAddress(moment.asset_id, moment.start) }, picture,
    element("span", { className: "moment-words" }, title, text));
  const entry = element("li", { className: "moment" }, link);
  wirePlayback(entry, link, picture, moment);
  readAsset(moment.asset_id).then((asset) => {
    const name = moment.title || asset?.filename || "Deleted video";
    Object.assign(title, { textContent: name, title: name });
    const address = asset ? choosePicture(asset, moment) : null;
    if (address) picture.prepend(element("img", { src: address, alt: "", loading: "lazy", decoding: "async" }));
  });
  return entry;
}

export const formatRange = ({ start, end }) => `${formatClock(start)}–${formatClock(Math.max(start, end))}`;

// The asset, or null where it cannot be read; each is asked for once.
function readAsset(id) {
  if (!assets.has(id)) assets.set(id, getAsset(id).catch(() => null));
  return assets.get(id);
}

// The key frame within the moment, else the last one before it, else the video's poster.
export function choosePicture({ artifacts }, { start, end }) {
  const frames = artifacts.filter(({ kind }) => kind === "keyframe")
    .map(({ variant, url }) => ({ seconds: Number(variant) / 1000, url }))
    .sort((a, b) => a.seconds - b.seconds);
  const within = frames.find(({ seconds }) => seconds >= start && seconds < end);
  const before = frames.findLast(({ seconds }) => seconds < start);
  return (within ?? before ?? artifacts.find(({ kind }) => kind === "poster" || kind === "waveform"))?.url ?? null;
}

function wirePlayback(entry, link, picture, moment) {
  let timer = 0;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => play(entry, picture, moment), REST_MS);
  };
  const leave = () => {
    clearTimeout(timer);
    if (entry.classList.contains("playing")) stopPlaying();
  };
  link.addEventListener("pointerenter", wait);
  link.addEventListener("focus", wait);
  link.addEventListener("pointerleave", leave);
  link.addEventListener("blur", leave);
}

// Plays the moment in place of its picture, without sound and again from its start at its end.
async function play(entry, picture, { asset_id: assetId, start, end }) {
  if (wantsStillness.matches || entry.classList.contains("playing")) return;
  stopPlaying();
  entry.classList.add("playing");
  let video = null;
  const stop = () => {
    entry.classList.remove("playing");
    video?.removeAttribute("src");
    video?.load();
    video?.remove();
    stopPlaying = () => {};
  };
  stopPlaying = stop;
  const asset = await readAsset(assetId);
  const [source] = asset ? listSmallSources(asset) : [];
  if (!source || !entry.classList.contains("playing")) return;
  video = element("video", { muted: true, playsInline: true, preload: "auto", tabIndex: -1 });
  video.setAttribute("aria-hidden", "true");
  video.addEventListener("loadedmetadata", () => {
    video.currentTime = start;
    video.play().catch(() => {});
  });
  const until = Math.max(end, start + LEAST_SECONDS);
  video.addEventListener("timeupdate", () => { if (video.currentTime >= until) video.currentTime = start; });
  video.addEventListener("ended", () => {
    video.currentTime = start;
    video.play().catch(() => {});
  });
  video.addEventListener("error", () => { if (video.src) stop(); });
  video.src = source.url;
  picture.append(video);
}
