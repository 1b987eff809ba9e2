// The files of a video that this browser can play, best first.

import { streamAddress } from "./api.js";
import { canPlay, isSmooth, typeOfFile, typeOfOriginal } from "./playable.js";

export const HLS_TYPE = "application/vnd.apple.mpegurl";
const NAMES = { h264: "H.264", hevc: "H.265", h265: "H.265", vp9: "VP9", vp8: "VP8", av1: "AV1", mp3: "MP3", aac: "AAC", flac: "FLAC", opus: "Opus" };
const WORDS = { proxy: "preview copy", rendition: "the output", render: "the render" };
const area = ({ facts }) => (facts.width ?? 0) * (facts.height ?? 0);

// Of a job's result: what it made, then the original, renditions and the preview copy. The job that
// makes the preview copy was not asked for one to watch.
export async function listSources({ kind, result, asset_id: assetId }, asset) {
  const made = new Set((result?.made ?? []).map((one) => `${one.kind}/${one.variant}`));
  const isMade = ({ kind: of, variant }) => of !== "proxy" && made.has(`${of}/${variant}`);
  const playable = listPlayable(asset);
  const own = playable.filter(isMade).map((file) => asSource(file, WORDS[file.kind]));
  if (kind === "render_video") return own;
  const streams = kind === "make_ladder" && result?.playlist && canPlay(HLS_TYPE)
    ? [{ url: streamAddress(assetId, result.playlist), words: "stream (HLS)" }]
    : [];
  return [...streams, ...own, ...await listOthers(asset, playable.filter((file) => !isMade(file)))];
}

// Of a video by itself, without the outputs of a timeline that only includes it.
export const listOwnSources = (asset) => listSources({}, asset);

// For a glance at a moment: the smallest first.
export function listSmallSources(asset) {
  return byKind(listPlayable(asset), "proxy", "rendition").map((file) => asSource(file, ""));
}

function listPlayable({ artifacts }) {
  return artifacts.filter(({ kind }) => WORDS[kind]).filter((file) => file.kind === "proxy" || canPlay(typeOfFile(file)));
}

async function listOthers(asset, playable) {
  const renditions = playable.filter(({ kind }) => kind === "rendition").sort((a, b) => area(b) - area(a))
    .map((file) => asSource(file, describe("rendition", file.facts)));
  const proxies = playable.filter(({ kind }) => kind === "proxy").map((file) => asSource(file, WORDS.proxy));
  const original = listOriginal(asset);
  // Whoever has asked for little data gets the small file first.
  if (navigator.connection?.saveData) return [...proxies, ...renditions.toReversed(), ...original];
  const isFirst = original.length > 0 && await isSmooth(asset, typeOfOriginal(asset));
  return isFirst ? [...original, ...renditions, ...proxies] : [...renditions, ...proxies, ...original];
}

function listOriginal(asset) {
  const type = typeOfOriginal(asset);
  if (!type || !canPlay(type)) return [];
  const { display_width: width, display_height: height, codec } = asset.media.video ?? asset.media.audio[0];
  return [{ url: asset.source_url, words: describe("original", { width, height, codec }) }];
}

function describe(what, { width, height, codec }) {
  return [what, width && `${width} × ${height}`, NAMES[codec]].filter(Boolean).join(", ");
}

function byKind(files, ...kinds) {
  return kinds.flatMap((kind) => files.filter((file) => file.kind === kind).sort((a, b) => area(a) - area(b)));
}

const asSource = ({ url }, words) => ({ url, words });
