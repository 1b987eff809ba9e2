// The verdict of an analysis: its band in plain words, why, and what it means.

import { reportAddress } from "./api.js";
import { element } from "./dom.js";
import { formatScore, nameVerdict } from "./findings.js";
import { formatSeconds, formatWhen } from "./format.js";

const GUIDE = "https://github.com/cinemill/cinemill/blob/main/docs/tutorial/train-a-detector.md";
const PERSONAL = {
  accept: "agreed with the model", override: "decided otherwise", flag: "asked for another look",
};

export function buildVerdict(details) {
  const { verdict } = details;
  const head = element("div", { className: "verdict-head" },
    element("h3", { className: "verdict-words", tabIndex: -1, textContent: nameVerdict(verdict) }),
    ...(details.needs_review ? [element("span", { className: "badge", textContent: "Needs a review" })] : []));
  const card = element("article", { className: `verdict ${verdict}` }, head);
  if (details.reviewed_verdict) card.append(buildPersonal(details));
  // The first sentence is that of the band, which says more than the heading except for a flag.
  const [band, ...others] = details.sentences;
  if (band && verdict !== "likely_manipulated") card.append(element("p", { className: "sentence", textContent: band }));
  if (verdict === "no_model") card.append(buildGuide());
  else card.append(...(others.length ? [buildList(others)] : []));
  if (details.score !== null) card.append(...buildScore(details));
  card.append(buildLinks(details), buildBasis(details));
  return card;
}

function buildPersonal({ reviewed_verdict: verdict }) {
  return element("p", { className: "personal" }, "Decided by a person: ",
    element("strong", { textContent: nameVerdict(verdict) }));
}

function buildGuide() {
  return element("p", { className: "guide" }, "To get one, train it on videos of real people with ",
    element("code", { textContent: "cinemill detect train --real FOLDER" }), ", as ",
    element("a", { href: GUIDE, textContent: "the tutorial on training a detector" }),
    " shows, then analyze this video again.");
}

function buildList(sentences) {
  return element("ul", { className: "sentences" },
    ...sentences.map((textContent) => element("li", { textContent })));
}

function buildScore({ score, confidence, calibration }) {
  const words = confidence === null ? "" : `, confidence ${formatScore(confidence)}`;
  const line = element("p", { className: "score-line" }, "Score ",
    element("strong", { className: "numbers", textContent: formatScore(score) }), words);
  return [line, buildScale(score, calibration), element("p", { className: "faint", textContent: ABOUT_SCORE })];
}

const ABOUT_SCORE = "Calibrated probability of a manipulation where as many videos are manipulated as "
  + "are not. Where manipulated videos are rare, far more of the flagged ones are unmanipulated.";

// The score between the thresholds, for the eye; the words around it say the same.
function buildScale(score, calibration) {
  const marker = element("i", { className: "scale-marker" });
  marker.style.left = `${100 * score}%`;
  const { clear_score: clear = null, flag_score: flag = null } = calibration ?? {};
  const zones = [["clear", 0, clear], ["flag", flag, 1]].filter((zone) => !zone.includes(null));
  const scale = element("div", { className: "scale" }, ...zones.map(([name, from, to]) => {
    const zone = element("span", { className: `zone ${name}` });
    zone.style.left = `${100 * from}%`;
    zone.style.width = `${Math.max(0, 100 * (to - from))}%`;
    return zone;
  }), marker);
  const ends = element("div", { className: "scale-ends faint" },
    element("span", { textContent: clear === null ? "0" : `nothing found up to ${formatScore(clear)}` }),
    element("span", { textContent: flag === null ? "1" : `flagged from ${formatScore(flag)}` }));
  scale.setAttribute("aria-hidden", "true");
  return element("div", { className: "scale-place" }, scale, ends);
}

function buildLinks({ id }) {
  const link = (form, words, className) =>
    element("a", { href: reportAddress(id, form), textContent: words, className, target: "_blank", rel: "noopener" });
  return element("div", { className: "actions verdict-links" },
    link("html", "Open the report", "button"), link("json", "Report as JSON", "button quiet-button"));
}

// What the verdict rests on, for those who ask.
function buildBasis(details) {
  const rows = listBasis(details).filter(([, words]) => words);
  const body = element("tbody", {}, ...rows.map(([name, words]) => element("tr", {},
    element("th", { scope: "row", textContent: name }), element("td", { textContent: words }))));
  return element("details", { className: "basis" },
    element("summary", { textContent: "What this rests on" }),
    element("table", { className: "facts" }, body));
}

function listBasis({ metrics, examined, members, calibration, reasons, versions, finished_at: at, fast, id }) {
  return [
    ["Finished", at && formatWhen(at)],
    ["Frames", metrics && describeFrames(metrics, examined, fast)],
    ["Took", metrics && describeWork(metrics)],
    ["Models", members.map(describeMember).join("; ")],
    ["Calibration", calibration?.data],
    ["Reasons", reasons.map(({ code }) => code).join(", ")],
    ["Ensemble", versions.ensemble],
    ["Analysis", id],
  ];
}

function describeFrames({ frame_count: count }, { frames_without_face: without, usable, excluded = {} }, isFast) {
  const parts = [`${count} examined${isFast ? " (fast)" : ""}`];
  if (without) parts.push(`${without} without a face`);
  if (usable !== undefined) parts.push(`${usable} ${usable === 1 ? "face" : "faces"} scored`);
  const left = Object.values(excluded).reduce((sum, number) => sum + number, 0);
  if (left) parts.push(`${left} ${left === 1 ? "face" : "faces"} not usable`);
  return parts.join(", ");
}

function describeWork({ processing_seconds: seconds, cache_hit: isCached, device }) {
  const time = seconds < 1 ? "less than 1 s" : formatSeconds(seconds);
  return [time, device && `on ${device}`, isCached && "from stored features"].filter(Boolean).join(", ");
}

function describeMember({ name, weight, is_missing: isMissing, grade }) {
  const words = isMissing ? "missing" : [`weight ${weight.toFixed(2)}`, grade].filter(Boolean).join(", ");
  return `${name} (${words})`;
}

// An entry of the audit trail as one sentence.
export function describeReview({ action, reviewer, verdict, model_verdict: model }) {
  const own = action === "override" && verdict ? `: ${nameVerdict(verdict)}` : "";
  return `${reviewer} ${PERSONAL[action] ?? action}${own}. The model’s verdict: ${nameVerdict(model)}.`;
}
