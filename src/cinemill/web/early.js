// Previews of unfinished jobs: a render's timeline, and a stream that can already be played.

import { getAsset, getJob, streamAddress } from "./api.js";
import { canPlay } from "./playable.js";
import { buildPlayer } from "./player.js";
import { HLS_TYPE } from "./sources.js";
import { Strip } from "./strip.js";

const MIN_WAIT_MS = 1000;
const WAIT_FACTOR = 5;
const PLAYLIST = "master.m3u8";

// Returns a function to call on every progress event. It limits its requests: the slower the
// responses, the fewer.
export function followEarly(card, { kind, id: taskId }) {
  const look = PREVIEWS[kind]?.(card, taskId);
  let nextRequestAt = 0;
  return () => {
    const requestedAt = performance.now();
    if (!look || requestedAt < nextRequestAt) return;
    nextRequestAt = Infinity;
    look().catch(() => { /* The progress bar reports lost connections. */ }).finally(() => {
      nextRequestAt = requestedAt + Math.max(MIN_WAIT_MS, WAIT_FACTOR * (performance.now() - requestedAt));
    });
  };
}

const PREVIEWS = {
  render_video(card, taskId) {
    const strip = new Strip(card.querySelector(".strip"), taskId);
    return () => strip.refresh();
  },
  make_ladder(card, taskId) {
    let isOpen = !canPlay(HLS_TYPE);
    let assetId = null;
    return async () => {
      if (isOpen) return;
      // A job that names a path has no asset until its video is imported.
      assetId ??= (await getJob(taskId)).asset_id;
      if (!assetId) return;
      const { artifacts } = await getAsset(assetId);
      const opened = artifacts.find(({ kind, filename }) => kind === "stream" && filename === PLAYLIST);
      if (!opened || isOpen) return;
      isOpen = true;
      card.querySelector(".player").hidden = false;
      buildPlayer(card.querySelector(".player"), {
        sources: [{ url: streamAddress(assetId, opened.variant), words: "original, while the stream is being encoded" }],
        plays: card.querySelector(".plays"),
      });
    };
  },
};

// The playback position, to be restored in the player that replaces this one.
export function playbackPosition(video) {
  return video && video.currentTime > 0 ? { seconds: video.currentTime, isPaused: video.paused } : null;
}

export function resumePlayback(video, place) {
  if (!video || !place) return;
  video.currentTime = place.seconds;
  if (!place.isPaused) video.play().catch(() => {});
}
