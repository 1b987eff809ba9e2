// What can be made of a film, in people's words; the words themselves are the page's own options.

import { createJob, getStatus } from "./api.js";
import { button, element, find } from "./dom.js";

const PROXY = "process_video";
const PRESETS = {
  proxy: {
    kind: PROXY,
    params: {},
    words: "A light proxy to watch at once, with poster, sprite and sound.",
  },
  web: {
    kind: "transcode",
    params: { options: { preset: "web" } },
    words: "An MP4 that every browser plays: H.264 and AAC, as large as the original.",
  },
  mobile: {
    kind: "transcode",
    params: { options: { preset: "mobile" } },
    words: "A small MP4 for phones, at most 720 lines high.",
  },
  archive: {
    kind: "transcode",
    params: { options: { preset: "archive" } },
    words: "An MP4 as close to the original as the eye can tell. Slow to make, large to keep.",
  },
  stream: {
    kind: "make_ladder",
    params: { preset: "web" },
    words: "Several sizes with HLS and DASH playlists, for lines of every speed.",
  },
  captions: {
    kind: "caption",
    params: {},
    words: "What is said, as SRT, WebVTT and text, to be corrected beside the player.",
  },
};

// What a job is called beside its film's name; the ordinary one needs no name.
export function nameWork({ kind, params }) {
  if (kind === "transcode") {
    return { mobile: "for phones", archive: "for the archive", web: "for the web" }[params.options?.preset]
      ?? "transcoded";
  }
  return {
    make_ladder: "stream", caption: "captions", render_video: "render", generate_preview: "stills",
  }[kind] ?? "";
}

export function wirePresets(select, place) {
  const show = () => { place.textContent = chosenIn(select).words; };
  select.addEventListener("change", show);
  show();
}

export const chosenIn = (select) => PRESETS[select.value];

// Whatever else is made of a film: its proxy is what people watch it by.
export async function makeProxyToo(taskId, { kind }) {
  if (kind === PROXY) return;
  const { asset_id: assetId } = await getStatus(taskId);
  await createJob(assetId, PROXY, {});
}

// For a film that is here already. Answers the section; onMade(taskId), onProblem(problem).
export function offerMore(assetId, { onMade, onProblem }) {
  const select = find("preset").cloneNode(true);
  select.id = "more-preset";
  const words = element("p", { className: "quiet" });
  wirePresets(select, words);
  const make = button("Make", async () => {
    make.disabled = true;
    const { kind, params } = chosenIn(select);
    try {
      onMade((await createJob(assetId, kind, params)).id);
    } catch (problem) {
      make.disabled = false;
      onProblem(problem);
    }
  });
  const label = element("label", { htmlFor: select.id, textContent: "Make more of it" });
  return [label, element("div", { className: "make-row" }, select, make), words];
}
