// What is known of a video, what is missing, and finding out more.

import { createIngestion } from "./api.js";
import { button, element, find } from "./dom.js";
import { wireProfiles } from "./presets.js";
import { isFinal } from "./watch.js";

const WORDS = {
  shot: ["shot", "shots"], keyframe: ["key frame", "key frames"],
  sound: ["range of sound", "ranges of sound"], text: ["text in the picture", "texts in the picture"],
  tag: ["tag", "tags"], object: ["thing", "things"], face: ["face", "faces"], cue: ["cue", "cues"],
  moderation: ["warning about content", "warnings about content"],
  description: ["description", "descriptions"],
};
const PASSAGES = ["passage for search", "passages for search"];
const SUBJECTS = {
  shot: "Shots", keyframe: "Key frames", sound: "Sounds", text: "Text in the picture", tag: "Tags",
  object: "Things", face: "Faces", speech: "Speech", knowledge: "Names and relations",
  embeddings: "Search by meaning", picture_embeddings: "Search by pictures",
  moment_embeddings: "Search by moments", moderation: "Warnings about content", description: "Descriptions",
};

// Callbacks: onMade(taskId) shows another job, onProblem(problem) reports problems of requests.
export function showKnown(place, assetId, known, callbacks) {
  const running = known.ingestions.find(({ status }) => !isFinal(status));
  place.hidden = false;
  place.replaceChildren(
    element("h3", { textContent: "What is in it" }),
    ...listCounts(known),
    ...listGaps(known.gaps),
    ...(running ? followRunning(running) : offerIngestion(assetId, known, callbacks)));
}

function listCounts({ findings, passages }) {
  const found = Object.entries(findings).filter(([kind]) => WORDS[kind]);
  const spoken = Object.values(passages).reduce((sum, count) => sum + count, 0);
  if (!found.length) return [element("p", { className: "quiet", textContent: "Nothing was looked for yet." })];
  const rows = found.map(([kind, count]) => countWords(count, WORDS[kind]));
  if (spoken) rows.push(countWords(spoken, PASSAGES));
  return [element("ul", { className: "counts" },
    ...rows.map((words) => element("li", { textContent: words })))];
}

const countWords = (count, [one, many]) => `${count} ${count === 1 ? one : many}`;

export function listGaps(gaps) {
  if (!gaps.length) return [];
  return [element("ul", { className: "gaps" }, ...gaps.map(({ subject, message, hint }) =>
    element("li", {},
      element("p", {}, element("strong", { textContent: nameGap(subject) }), message),
      element("p", { className: "quiet", textContent: hint }))))];
}

// The video itself may lack something, because it is damaged: no other attempt finds that.
const SOURCE = "source";
const nameGap = (subject) => subject === SOURCE
  ? "Parts of the video are missing. " : `${SUBJECTS[subject] ?? subject} could not be found out. `;

function followRunning({ id }) {
  const link = element("a", { href: `#task=${encodeURIComponent(id)}`, textContent: "Show the progress" });
  return [element("p", { className: "quiet" }, "This is being found out. ", link)];
}

function offerIngestion(assetId, { ingestions, gaps }, { onMade, onProblem }) {
  const select = find("profile").cloneNode(true);
  select.id = "more-profile";
  select.querySelector("option[value='']").remove();
  const asked = ingestions.map(({ params }) => params.profile).find(Boolean);
  select.value = asked ?? "standard";
  const words = element("p", { className: "quiet" });
  wireProfiles(select, words);
  const make = button(gaps.some(({ subject }) => subject !== SOURCE) ? "Try again" : "Find out", async () => {
    make.disabled = true;
    try {
      onMade((await createIngestion(assetId, select.value)).id);
    } catch (problem) {
      make.disabled = false;
      onProblem(problem);
    }
  });
  const label = element("label", { htmlFor: select.id, textContent: "Find out more" });
  return [label, element("div", { className: "make-row" }, select, make), words];
}
