// The presets for outputs. Their labels are the options in the page.

import { createJob, getStatus } from "./api.js";
import { button, element, find } from "./dom.js";

const PROXY = "process_video";
const PRESETS = {
  proxy: {
    kind: PROXY,
    params: {},
    words: "A small copy for quick playback, with a poster, scrubbing thumbnails and audio.",
  },
  web: {
    kind: "transcode",
    params: { options: { preset: "web" } },
    words: "An MP4 that every browser plays: H.264 and AAC, at the original resolution.",
  },
  mobile: {
    kind: "transcode",
    params: { options: { preset: "mobile" } },
    words: "A small MP4 for phones, at most 720p.",
  },
  archive: {
    kind: "transcode",
    params: { options: { preset: "archive" } },
    words: "An MP4 that looks like the original. Slow to encode, and large.",
  },
  stream: {
    kind: "make_ladder",
    params: { preset: "web" },
    words: "Several resolutions with HLS and DASH playlists, for connections of any speed.",
  },
  captions: {
    kind: "caption",
    params: {},
    words: "Captions from speech, as SRT, WebVTT and text. You can edit them next to the player.",
  },
};

// The label of a job next to its video's name; empty for ordinary processing.
export function nameWork({ kind, params }) {
  if (kind === PROXY && params.profile) return "what is in it";
  if (kind === "transcode") {
    return { mobile: "mobile", archive: "archive", web: "web" }[params.options?.preset]
      ?? "transcoded";
  }
  return {
    make_ladder: "stream", caption: "captions", render_video: "render", generate_preview: "stills",
    detect_video: "analysis", apply_caption_edits: "edited captions",
  }[kind] ?? "";
}

// How much to find out about a video, by the values of the options in the page.
const PROFILES = {
  "": "The video is not searched for anything. You can do so later.",
  quick: "Shots, key frames and speech. Search finds the video by words and by meaning.",
  standard: "Also sounds, text in the picture, faces, names, and who does what.",
  full: "Also things in the picture, and where they are. Takes the longest.",
};

export const wirePresets = (select, place) => wireWords(select, place, () => chosenIn(select).words);
export const wireProfiles = (select, place) => wireWords(select, place, () => PROFILES[select.value]);

function wireWords(select, place, find) {
  const show = () => { place.textContent = find(); };
  select.addEventListener("change", show);
  show();
}

export const chosenIn = (select) => PRESETS[select.value];

// Returns an output together with how much to find out; an empty profile finds out nothing.
export function withProfile(preset, profile) {
  if (!profile) return preset;
  return preset.kind === PROXY ? { ...preset, params: { profile } } : { ...preset, profile };
}

// Create the preview copy too, which the page plays, and find out what is in the video if asked to.
export async function createProxy(taskId, { kind, profile }) {
  if (kind === PROXY) return;
  const { asset_id: assetId } = await getStatus(taskId);
  await createJob(assetId, PROXY, profile ? { profile } : {});
}

// Returns the elements for creating another output of a stored video. Callbacks: onMade(taskId),
// onProblem(problem).
export function offerMore(assetId, { onMade, onProblem }) {
  const select = find("preset").cloneNode(true);
  select.id = "more-preset";
  const words = element("p", { className: "quiet" });
  wirePresets(select, words);
  const make = button("Create", async () => {
    make.disabled = true;
    const { kind, params } = chosenIn(select);
    try {
      onMade((await createJob(assetId, kind, params)).id);
    } catch (problem) {
      make.disabled = false;
      onProblem(problem);
    }
  });
  const label = element("label", { htmlFor: select.id, textContent: "Create another output" });
  return [label, element("div", { className: "make-row" }, select, make), words];
}
