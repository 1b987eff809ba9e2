// Readable names of a video's files, and their download links.

import { element } from "./dom.js";
import { formatBytes, formatClock, nameLanguage } from "./format.js";

// In display order.
const NAMES = {
  render: ({ facts }) => `Render${height(facts)}`,
  rendition: ({ facts }) => `${facts.height ? "Video" : "Sound"}${height(facts)}${facts.codec ? `, ${CODECS[facts.codec] ?? facts.codec}` : ""}`,
  proxy: () => "Preview copy",
  captions_srt: (file) => captions(file, "SRT"),
  captions_vtt: (file) => captions(file, "WebVTT"),
  captions_text: (file) => captions(file, "text"),
  captions_json: (file) => captions(file, "JSON, for programs"),
  poster: () => "Poster",
  waveform: () => "Waveform",
  thumbnail: () => "Thumbnail",
  preview: ({ facts }) => (facts.seconds == null ? "Still" : `Still at ${formatClock(facts.seconds)}`),
  animated_preview: () => "Animated preview",
  contact_sheet: () => "Contact sheet",
  keyframe: ({ facts }) => `Key frame at ${formatClock(facts.seconds)}`,
  sprite: () => "Sprite",
  sprite_index: () => "Sprite index (WebVTT)",
  stream: ({ filename }) => filename,
  shot_frames: () => "Frames for shots",
  model_frames: () => "Frames for models",
  audio: () => "Audio, 16 kHz mono",
  provenance: () => "Content credentials (JSON)",
  finding: ({ variant }) => `${FINDINGS[variant] ?? `Findings of ${variant}`} (JSON)`,
  source: () => "Original",
};
const ORDER = Object.keys(NAMES);
// Others belong to installed packages.
const FINDINGS = { encoding: "Traces of encoding" };
const CODECS = { h264: "H.264", h265: "H.265", hevc: "H.265", vp9: "VP9", av1: "AV1", aac: "AAC", opus: "Opus", mp3: "MP3", flac: "FLAC" };
const place = ({ kind }) => (ORDER.indexOf(kind) + ORDER.length + 1) % (ORDER.length + 1);
// Caption files are sorted by language first.
const group = (file) => (file.kind.startsWith("captions_") ? place({ kind: "captions_srt" }) : place(file));
const inOrder = (a, b) => group(a) - group(b)
  || (a.variant ?? "").localeCompare(b.variant ?? "", "en", { numeric: true }) || place(a) - place(b);

function height({ height: lines }) {
  return lines ? `, ${lines}p` : "";
}

function captions({ facts }, form) {
  const language = facts.language ? `, ${nameLanguage(facts.language)}` : "";
  return `Captions${language}${facts.corrected_by ? ", edited" : ""} (${form})`;
}

export function nameFile(file) {
  return NAMES[file.kind]?.(file) ?? file.filename ?? file.kind.replaceAll("_", " ");
}

export function listDownloads(asset) {
  const source = {
    kind: "source", facts: {}, url: asset.source_url, filename: asset.filename, size_bytes: asset.size_bytes,
  };
  const files = [...asset.artifacts, source].sort(inOrder);
  const folded = Object.keys(FOLDS).map((kind) => files.filter((file) => file.kind === kind));
  const rows = files.filter(({ kind }) => !(kind in FOLDS)).map(row);
  return [...rows, ...folded.filter((listed) => listed.length).map(fold)];
}

export const listFiles = (files) => files.map(row);

// Hundreds of files that hardly anybody wants one by one.
const FOLDS = {
  keyframe: (count) => `Key frames: ${count} ${count === 1 ? "picture" : "pictures"}`,
  stream: (count) => `Stream: ${count} files for HLS and DASH`,
};

function fold(parts) {
  const words = FOLDS[parts[0].kind](parts.length);
  const list = element("ul", {}, ...parts.map(row));
  return element("li", {}, element("details", {}, element("summary", { textContent: words }), list));
}

function row(file) {
  const address = new URL(file.url, location.href);
  address.searchParams.set("download", "true");
  const link = element("a", { href: address.href, download: "" },
    element("span", { textContent: nameFile(file) }),
    element("span", { className: "numbers", textContent: formatBytes(file.size_bytes) }));
  return element("li", {}, link);
}
