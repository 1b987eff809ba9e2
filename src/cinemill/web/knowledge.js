// What is known of a video: lanes of what was found in it, what is missing, and a button to find out more.

import { Problem, createIngestion, getKnown, listFindings } from "./api.js";
import { button, element } from "./dom.js";
import { listGaps } from "./known.js";
import { sweepLabels } from "./sweep.js";
import { isFinal, watchJob } from "./watch.js";

const LANES = [
  ["shot", "Shots"], ["sound", "Sounds"], ["text", "Text in the picture"],
  ["tag", "Tags"], ["object", "Objects"], ["face", "Faces"],
];
const PROFILES = [
  ["standard", "Standard: also sounds, text, tags, faces and names"],
  ["quick", "Quick: shots, speech and search"],
  ["full", "Full: also objects and scenes"],
];
const MOST_SPANS = 2000;
// Of the time, that a span with a text in it has; a shorter one has its text as a tooltip only.
const LEAST_SHARE = 0.05;

// Findings as lanes, in the order of LANES; none for a kind without findings.
export function toFindingLanes(findings) {
  return LANES.map(([kind, label]) => toLane(kind, label, findings.filter((one) => one.kind === kind)))
    .filter(({ spans }) => spans.length);
}

function toLane(kind, label, found) {
  const spans = sweepLabels(found.map((one, at) => ({
    start: Math.round(1000 * one.start),
    end: Math.round(1000 * one.end),
    label: nameFinding(kind, one, at),
  })));
  const total = Math.max(1, ...spans.map(({ end }) => end));
  for (const span of spans) if (span.end - span.start < LEAST_SHARE * total) span.text = "";
  const cut = spans.length > MOST_SPANS ? `, the first ${MOST_SPANS} are shown` : "";
  return { id: `known-${kind}`, label, detail: `${found.length} found${cut}`, points: [], limit: null, spans: spans.slice(0, MOST_SPANS) };
}

function nameFinding(kind, { label, track }, at) {
  if (kind === "shot") return `Shot ${at + 1}`;
  if (kind === "face") return track === null ? "face" : `face ${track}`;
  return label;
}

// Shows the knowledge in a place. ``onLanes(lanes)`` gets the lanes, ``onIngested()`` is called after
// an ingestion has ended.
export class KnownPanel {
  #place;
  #assetId;
  #message = element("p", { className: "known-message" });

  constructor(place, assetId, { onLanes, onIngested }) {
    Object.assign(this, { onLanes, onIngested });
    this.#place = place;
    this.#assetId = assetId;
    this.#message.setAttribute("role", "alert");
  }

  async refresh() {
    const [known, findings] = await Promise.all([getKnown(this.#assetId), listFindings(this.#assetId)]);
    this.onLanes(toFindingLanes(findings));
    this.#show(known);
    const running = known.ingestions.find(({ status }) => !isFinal(status));
    if (running) this.#follow(running.id);
  }

  #show({ findings, passages, gaps, ingestions }) {
    const total = Object.values(passages).reduce((sum, one) => sum + one, 0);
    const isKnown = total > 0 || Object.keys(findings).length > 0;
    const words = isKnown
      ? `Search finds this video by ${total === 1 ? "1 passage" : `${total} passages`}.`
      : "Nothing is known yet of what this video contains, so search does not find it.";
    const failed = ingestions[0]?.status === "failed" ? ["The last ingestion failed. Start another to go on where it stopped."] : [];
    this.#place.replaceChildren(
      element("h2", { textContent: "What is known" }), element("p", { className: "quiet", textContent: words }),
      ...failed.map((textContent) => element("p", { textContent })), ...listGaps(gaps), this.#buildForm(isKnown));
    this.#place.hidden = false;
  }

  #buildForm(isKnown) {
    const choice = element("select", { autocomplete: "off", id: "profile" },
      ...PROFILES.map(([value, textContent]) => element("option", { value, textContent })));
    const label = element("label", { className: "visually-hidden", htmlFor: "profile", textContent: "How much to find out" });
    const start = button(isKnown ? "Ingest again" : "Ingest", (made) => this.#start(made, choice.value), isKnown ? "button" : "button primary");
    return element("div", { className: "known-form" }, label, choice, start, this.#message);
  }

  async #start(made, profile) {
    made.disabled = true;
    this.#message.textContent = "";
    try {
      this.#follow((await createIngestion(this.#assetId, profile)).id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      made.disabled = false;
      this.#message.textContent = `${problem.message} ${problem.hint}`;
    }
  }

  #follow(jobId) {
    const words = element("p", { textContent: "This video is being ingested." });
    this.#place.querySelector(".known-form").replaceChildren(words);
    watchJob(jobId, {
      onProgress: ({ status, progress }) => {
        if (isFinal(status)) this.onIngested();
        else if (progress > 0) words.textContent = `This video is being ingested: ${Math.floor(progress)} %.`;
      },
      onLost: () => {},
      onRefused: this.onIngested,
    });
  }
}
