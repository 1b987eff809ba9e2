// The findings of an analysis as lanes, and its verdict in words. Independent of the page.

import { formatMoment } from "./format.js";

const VERDICTS = {
  likely_manipulated: ["A face is likely manipulated", "Likely manipulated"],
  no_manipulation_found: ["No manipulation was found", "Nothing found"],
  inconclusive: ["Inconclusive", "Inconclusive"],
  no_face: ["No face to examine", "No face"],
  no_model: ["Not examined: no detector is installed", "No detector"],
  failed: ["The analysis failed", "Failed"],
};
const STATES = { pending: "Waiting", running: "Running", failed: "Failed", cancelled: "Cancelled" };
const EXCLUSIONS = {
  no_face: "no face", face_too_small: "too small to examine", face_blurred: "too blurred to examine",
  face_turned_away: "turned too far away to examine", face_cut_off: "cut off by the edge of the picture",
  too_many_faces: "more faces than can be examined",
};

export const nameVerdict = (verdict) => VERDICTS[verdict]?.[0] ?? verdict.replaceAll("_", " ");

export const shortenVerdict = (verdict) => VERDICTS[verdict]?.[1] ?? verdict.replaceAll("_", " ");

// The outcome of an analysis in a word or two, for lists.
export function nameOutcome({ status, verdict, reviewed_verdict: reviewed }) {
  if (status !== "completed") return STATES[status] ?? status;
  return shortenVerdict(reviewed ?? verdict ?? "completed");
}

// Neither 0 nor 1 for what is not quite that.
export function formatScore(score) {
  if (score > 0 && score < 0.01) return "below 0.01";
  if (score > 0.99 && score < 1) return "above 0.99";
  return score.toFixed(2);
}

// The scores of each face in order of time, by its number; 0 is for frames without a face.
export function groupByFace(frames) {
  const faces = new Map();
  for (const { time_ms: ms, face, score, exclusion, box } of frames) {
    if (!faces.has(face)) faces.set(face, []);
    faces.get(face).push({ ms, score, exclusion, box });
  }
  return faces;
}

export function toLanes(details, byFace, regions) {
  const limit = details.calibration?.flag_score ?? null;
  const sentences = new Map(details.reasons.map(({ code, sentence }) => [code, sentence]));
  const numbers = [...byFace.keys()].filter(Boolean);
  const lanes = numbers.map((number) => ({
    id: number,
    label: `Face ${number}`,
    detail: describeFace(details.faces.find((one) => one.number === number), byFace.get(number)),
    limit,
    points: byFace.get(number).map((one) => toPoint(one, sentences)),
    spans: regions.filter(({ face }) => face === number).map(toSpan),
  }));
  lanes.sort((a, b) => highest(b) - highest(a) || a.id - b.id);
  const without = byFace.get(0) ?? [];
  if (without.length) {
    lanes.push({
      id: 0, label: "No face", detail: countFrames(without.length), limit: null, spans: [],
      points: without.map((one) => toPoint(one, sentences)),
    });
  }
  return lanes;
}

const highest = ({ points }) => Math.max(-1, ...points.map(({ value }) => value ?? -1));

const countFrames = (count) => (count === 1 ? "1 frame" : `${count} frames`);

function describeFace(face, samples) {
  const score = face?.score ?? null;
  const words = score === null ? "no score" : `score ${formatScore(score)}`;
  return `${words}, ${countFrames(samples.length)}`;
}

function toPoint({ ms, score, exclusion }, sentences) {
  const why = EXCLUSIONS[exclusion] ?? sentences.get(exclusion) ?? exclusion.replaceAll("_", " ");
  return { ms, value: score, words: score === null ? `not scored: ${why}` : `score ${formatScore(score)}` };
}

function toSpan({ start_ms: start, end_ms: end, score }) {
  return { start, end, isMarked: true, words: `suspicious region, score ${formatScore(score)}` };
}

export function describeRegion({ start_ms: start, end_ms: end, face, score }) {
  const who = face ? `Face ${face}` : "Whole frame";
  return `${formatMoment(start)} to ${formatMoment(end)}, ${who.toLowerCase()}, score ${formatScore(score)}`;
}

// Captions as a lane.
export function captionsLane(label, { captions }) {
  return {
    id: "captions", label: "Captions", detail: label, points: [], limit: null,
    spans: captions.map(({ start_ms: start, end_ms: end, lines }) => {
      const text = lines.join(" ");
      return { start, end, text, words: text };
    }),
  };
}
