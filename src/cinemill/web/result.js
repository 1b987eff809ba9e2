// What came of a film: the player, facts, downloads.

import { getAsset } from "./api.js";
import { element, showTaskId } from "./dom.js";
import { formatBytes, formatClock, formatRate, formatSeconds } from "./format.js";
import { buildPlayer } from "./player.js";

// In the order in which people ask for them.
const WORDS = {
  proxy: "Proxy",
  poster: "Poster",
  thumbnail: "Thumbnail",
  sprite: "Sprite",
  sprite_index: "Sprite index (WebVTT)",
  shot_frames: "Frames for shots",
  model_frames: "Frames for models",
  audio: "Sound, 16 kHz mono",
  source: "Original",
};
const ORDER = Object.keys(WORDS);

export async function showResult(card, job, name) {
  const asset = await getAsset(job.asset_id);
  card.querySelector(".name").textContent = name;
  showTaskId(card.querySelector(".task-id"), job.task_id);
  const took = job.duration_seconds;
  card.querySelector(".took").textContent = took == null ? "" : `Processed in ${formatSeconds(took)}`;
  const files = Object.fromEntries(asset.artifacts.map((artifact) => [artifact.kind, artifact]));
  showPlayer(card.querySelector(".player"), files);
  card.querySelector(".facts tbody").append(...facts(asset).map(row));
  card.querySelector(".downloads").append(...downloads(asset).map(download));
}

function showPlayer(place, files) {
  if (!files.proxy) {
    place.hidden = true;
    return;
  }
  buildPlayer(place, {
    proxy: files.proxy.url,
    poster: files.poster?.url,
    sprite: files.sprite?.url,
    spriteIndex: files.sprite_index?.url,
  });
}

function facts({ media, size_bytes: size }) {
  const rows = [["File size", formatBytes(size)]];
  if (!media) return rows;
  const { video } = media;
  rows.unshift(
    ["Picture", `${video.display_width} × ${video.display_height}${video.hdr ? `, ${hdrWords(video.hdr)}` : ""}`],
    ["Frame rate", `${formatRate(video.fps)} fps${video.is_variable_rate ? ", varying" : ""}`],
    ["Duration", formatClock(media.duration_seconds_from_header)],
    ["Picture codec", video.codec],
    ["Sound", media.audio.map(soundWords).join("; ") || "none"],
  );
  rows.push(["Container", CONTAINERS[media.format] ?? media.format]);
  if (video.rotation_degrees) rows.push(["Rotated", `${video.rotation_degrees}°`]);
  if (video.is_interlaced) rows.push(["Scan", "interlaced"]);
  if (media.warnings.length) rows.push(["Remarks", media.warnings.join("; ")]);
  return rows;
}

const CONTAINERS = {
  mov: "MP4 / MOV", matroska: "Matroska / WebM", avi: "AVI", flv: "FLV", asf: "ASF / WMV",
  mpegts: "MPEG transport stream", mpeg: "MPEG program stream", ogg: "Ogg", mxf: "MXF",
};

const hdrWords = (hdr) => ({ hdr10: "HDR10", hlg: "HLG", pq: "HDR (PQ)" })[hdr] ?? hdr;

function soundWords({ codec, channels, sample_rate_hz: rate, language }) {
  const layout = { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[channels] ?? `${channels} channels`;
  const tongue = language && language !== "und" ? `, ${language}` : "";
  return `${codec}, ${layout}, ${rate / 1000} kHz${tongue}`;
}

function row([name, value]) {
  const head = element("th", { scope: "row", textContent: name });
  return element("tr", {}, head, element("td", { textContent: value }));
}

function downloads(asset) {
  const source = { kind: "source", url: asset.source_url, size_bytes: asset.size_bytes };
  return [...asset.artifacts, source].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

function download({ kind, variant, url, size_bytes: size }) {
  const address = new URL(url, location.href);
  address.searchParams.set("download", "true");
  const words = `${WORDS[kind] ?? kind}${variant ? ` (${variant})` : ""}`;
  const link = element("a", { href: address.href, download: "" },
    element("span", { textContent: words }),
    element("span", { className: "numbers", textContent: formatBytes(size) }));
  return element("li", {}, link);
}
