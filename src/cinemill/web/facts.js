// Properties of a video as table rows.

import { element } from "./dom.js";
import { formatBytes, formatClock, formatRate } from "./format.js";

export const listFacts = (asset) => facts(asset).map(row);

// Whether a file is known to be sound alone.
export const isSoundAlone = ({ media }) => media != null && media.video === null;

export const nameFacts = (asset) => (isSoundAlone(asset) ? "Sound" : "Video");

export function listRenderFacts({ facts: made, size_bytes: size }) {
  const rows = [
    ["Resolution", made.width && `${made.width} × ${made.height}`],
    ["Frame rate", made.fps && `${formatRate(made.fps)} fps`],
    ["Duration", made.duration_seconds && formatClock(made.duration_seconds)],
    ["File size", formatBytes(size)],
    ["Notes", made.changes?.join("; ")],
  ];
  return rows.filter(([, value]) => value).map(row);
}

function facts({ media, size_bytes: size, other_names: names }) {
  const rows = [["File size", formatBytes(size)]];
  if (names?.length) rows.push(["Also named", names.join(", ")]);
  if (!media) return rows;
  const { video } = media;
  if (!video) {
    rows.unshift(
      ["Duration", formatClock(media.duration_seconds_from_header)],
      ["Audio", media.audio.map(describeAudio).join("; ")],
      ["Bitrate", media.bitrate_bps && `${Math.round(media.bitrate_bps / 1000)} kbit/s`],
    );
    rows.push(["Container", CONTAINERS[media.format] ?? media.format.toUpperCase()]);
    if (media.warnings.length) rows.push(["Notes", media.warnings.join("; ")]);
    return rows.filter(([, value]) => value);
  }
  rows.unshift(
    ["Resolution", `${video.display_width} × ${video.display_height}${video.hdr ? `, ${describeHdr(video.hdr)}` : ""}`],
    ["Frame rate", `${formatRate(video.fps)} fps${video.is_variable_rate ? ", variable" : ""}`],
    ["Duration", formatClock(media.duration_seconds_from_header)],
    ["Video codec", video.codec],
    ["Audio", media.audio.map(describeAudio).join("; ") || "none"],
  );
  rows.push(["Container", CONTAINERS[media.format] ?? media.format]);
  if (video.rotation_degrees) rows.push(["Rotated", `${video.rotation_degrees}°`]);
  if (video.has_alpha) rows.push(["Transparency", "yes, on black here"]);
  if (video.is_interlaced) {
    rows.push(["Scan", video.scan === "mixed" ? "interlaced in parts" : "interlaced"]);
  }
  const colors = describeColors(video);
  if (colors) rows.push(["Colors", colors]);
  if (media.warnings.length) rows.push(["Notes", media.warnings.join("; ")]);
  return rows;
}

const CONTAINERS = {
  mov: "MP4 / MOV", matroska: "Matroska / WebM", avi: "AVI", flv: "FLV", asf: "ASF / WMV",
  mpegts: "MPEG transport stream", mpeg: "MPEG program stream", ogg: "Ogg", mxf: "MXF",
  gif: "GIF", apng: "Animated PNG", mp3: "MP3", aac: "AAC (ADTS)", wav: "WAV", w64: "Wave64", flac: "FLAC", aiff: "AIFF",
  caf: "Core Audio", ac3: "AC-3", eac3: "E-AC-3", amr: "AMR",
};

const describeHdr = (hdr) => ({ hdr10: "HDR10", hlg: "HLG", pq: "HDR (PQ)" })[hdr] ?? hdr;

const COLOR_NAMES = {
  gbr: "RGB", bt709: "BT.709", bt470bg: "BT.601", smpte170m: "BT.601", bt2020nc: "BT.2020", bt2020c: "BT.2020",
};

// What the video states: its matrix, and its range if that is not the usual one.
const describeColors = ({ color_space: matrix, color_range: range }) => [
  matrix === "unknown" ? "" : (COLOR_NAMES[matrix] ?? matrix),
  range === "pc" && matrix !== "gbr" ? "full range" : "",
].filter(Boolean).join(", ");

function describeAudio({ codec, channels, sample_rate_hz: rate, language, layout: stated }) {
  const usual = { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[channels] ?? `${channels} channels`;
  const layout = stated ? stated.replace(/\(.*\)/, "") : usual;
  const languageWords = language && language !== "und" ? `, ${language}` : "";
  return `${codec}, ${layout}, ${rate / 1000} kHz${languageWords}`;
}

// What the outputs lack because the video is damaged, also where it is not known which part it is. What
// could not be found out of a video is listed elsewhere.
export const listGapFacts = (gaps) => (gaps ?? [])
  .filter(({ stream, subject }) => stream != null || subject === "picture" || subject === "sound")
  .map(({ subject, message }) => row(["Missing", `${subject}: ${message.replace(/^Missing: /, "")}`]));

function row([name, value]) {
  const head = element("th", { scope: "row", textContent: name });
  return element("tr", {}, head, element("td", { textContent: value }));
}
