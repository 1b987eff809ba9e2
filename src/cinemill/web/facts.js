// Properties of a video as table rows.

import { element } from "./dom.js";
import { formatBytes, formatClock, formatRate } from "./format.js";

export const listFacts = (asset) => facts(asset).map(row);

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

function facts({ media, size_bytes: size }) {
  const rows = [["File size", formatBytes(size)]];
  if (!media) return rows;
  const { video } = media;
  rows.unshift(
    ["Resolution", `${video.display_width} × ${video.display_height}${video.hdr ? `, ${describeHdr(video.hdr)}` : ""}`],
    ["Frame rate", `${formatRate(video.fps)} fps${video.is_variable_rate ? ", variable" : ""}`],
    ["Duration", formatClock(media.duration_seconds_from_header)],
    ["Video codec", video.codec],
    ["Audio", media.audio.map(describeAudio).join("; ") || "none"],
  );
  rows.push(["Container", CONTAINERS[media.format] ?? media.format]);
  if (video.rotation_degrees) rows.push(["Rotated", `${video.rotation_degrees}°`]);
  if (video.is_interlaced) rows.push(["Scan", "interlaced"]);
  if (media.warnings.length) rows.push(["Notes", media.warnings.join("; ")]);
  return rows;
}

const CONTAINERS = {
  mov: "MP4 / MOV", matroska: "Matroska / WebM", avi: "AVI", flv: "FLV", asf: "ASF / WMV",
  mpegts: "MPEG transport stream", mpeg: "MPEG program stream", ogg: "Ogg", mxf: "MXF",
};

const describeHdr = (hdr) => ({ hdr10: "HDR10", hlg: "HLG", pq: "HDR (PQ)" })[hdr] ?? hdr;

function describeAudio({ codec, channels, sample_rate_hz: rate, language }) {
  const layout = { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[channels] ?? `${channels} channels`;
  const languageWords = language && language !== "und" ? `, ${language}` : "";
  return `${codec}, ${layout}, ${rate / 1000} kHz${languageWords}`;
}

function row([name, value]) {
  const head = element("th", { scope: "row", textContent: name });
  return element("tr", {}, head, element("td", { textContent: value }));
}
