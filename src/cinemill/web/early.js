// What can be looked at before a job has ended: a render's timeline, a film that is opened already.

import { getAsset, streamAddress } from "./api.js";
import { HLS_TYPE, buildPlayer, canPlay } from "./player.js";
import { Strip } from "./strip.js";

const ASK_MS = 1000;
const REST = 5;
const PLAYLIST = "master.m3u8";

// To be called whenever there is progress; it asks no more often than is worth it, and the more
// seldom, the longer an answer took.
export function followEarly(card, { kind, id: taskId, asset_id: assetId }) {
  const look = LOOKS[kind]?.(card, taskId, assetId);
  let asksFrom = 0;
  return () => {
    const askedAt = performance.now();
    if (!look || askedAt < asksFrom) return;
    asksFrom = Infinity;
    look().catch(() => { /* The bar tells when the line is down. */ }).finally(() => {
      asksFrom = askedAt + Math.max(ASK_MS, REST * (performance.now() - askedAt));
    });
  };
}

const LOOKS = {
  render_video(card, taskId) {
    const strip = new Strip(card.querySelector(".strip"), taskId);
    return () => strip.refresh();
  },
  make_ladder(card, _taskId, assetId) {
    let isOpen = !assetId || !canPlay(HLS_TYPE);
    return async () => {
      if (isOpen) return;
      const { artifacts } = await getAsset(assetId);
      const opened = artifacts.find(({ kind, filename }) => kind === "stream" && filename === PLAYLIST);
      if (!opened || isOpen) return;
      isOpen = true;
      const words = "The original plays while the stream is being encoded.";
      card.querySelector(".player").hidden = false;
      buildPlayer(card.querySelector(".player"), {
        sources: [{ url: streamAddress(assetId, opened.variant), words }],
        onSource: (source) => { card.querySelector(".plays").textContent = source.words; },
      });
    };
  },
};

// Where somebody was in a film, for the player that takes the place of this one.
export function placeIn(video) {
  return video && video.currentTime > 0 ? { seconds: video.currentTime, isPaused: video.paused } : null;
}

export function goOn(video, place) {
  if (!video || !place) return;
  video.currentTime = place.seconds;
  if (!place.isPaused) video.play().catch(() => {});
}
