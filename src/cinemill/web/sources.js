// Files of a video that this browser can play.

import { streamAddress } from "./api.js";
import { HLS_TYPE, canPlay } from "./player.js";

const SOURCE_LABELS = {
  proxy: "Playing: preview copy", rendition: "Playing: the output", render: "Playing: the render",
};
const isProxy = ({ kind }) => kind === "proxy";
const asSource = ({ url, kind }) => ({ url, words: SOURCE_LABELS[kind] });

// Best first: the job's outputs, then others.
export function listSources({ kind, result, asset_id: assetId }, { artifacts }) {
  const made = new Set((result?.made ?? []).map((one) => `${one.kind}/${one.variant}`));
  const isMade = ({ kind: of, variant }) => made.has(`${of}/${variant}`);
  const playable = artifacts.filter(({ kind: of, media_type: type }) =>
    SOURCE_LABELS[of] && (type === "video/mp4" || canPlay(type)));
  const own = playable.filter(isMade);
  if (kind === "render_video") return own.map(asSource);
  const streams = kind === "make_ladder" && result?.playlist && canPlay(HLS_TYPE)
    ? [{ url: streamAddress(assetId, result.playlist), words: "Playing: stream (HLS)" }]
    : [];
  const others = playable.filter((file) => !isMade(file) && file.kind !== "render");
  return [...streams, ...own.map(asSource), ...proxyFirst(others).map(asSource)];
}

// Of a video by itself, without the outputs of a timeline that only includes it.
export function listOwnSources({ artifacts }) {
  return listSources({}, { artifacts });
}

const proxyFirst = (files) => [...files.filter(isProxy), ...files.filter((file) => !isProxy(file))];
