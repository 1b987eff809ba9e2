// Where a file comes from: content credentials, and traces of its encoding. Apart from any verdict.

import { Problem, getDocument } from "./api.js";
import { button, element } from "./dom.js";
import { formatMoment } from "./format.js";

const SIGNATURES = {
  trusted: "Intact, from a trusted signer",
  untrusted_signer: "Intact, but the signer is not on the trust list",
  invalid: "Not valid",
  none: "None",
  unsupported: "Not possible in this kind of file",
  not_checked: "Not checked",
  failed: "Could not be read",
};
const STRENGTHS = { note: "Note", weak: "Weak sign", strong: "Strong sign" };
const MAX_FINDINGS = 40;

// Returns the panels that there is data for. ``onSeek(ms)`` shows a moment.
export async function buildOrigin(asset, onSeek) {
  const panels = await Promise.all([
    buildFrom(findFile(asset, "provenance"), buildCredentials),
    buildFrom(findFile(asset, "finding", "encoding"), (document) => buildEncoding(document, onSeek)),
  ]);
  return panels.filter(Boolean);
}

const findFile = ({ artifacts }, kind, variant = null) =>
  artifacts.find((file) => file.kind === kind && (variant === null || file.variant === variant));

async function buildFrom(file, build) {
  if (!file) return null;
  try {
    return build(await getDocument(file.url));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return null;
  }
}

function buildCredentials({ state, sentences, signer, claim_generator: program, problems = [] }) {
  const rows = [
    ["Signer", [signer?.name, signer?.issuer].filter(Boolean).join(", ")],
    ["Signed at", signer?.signed_at],
    ["Program", program],
    ["Failed checks", problems.map(({ code }) => code).join(", ")],
  ];
  return panel("Content credentials (C2PA)", SIGNATURES[state] ?? state,
    ...sentences.map(paragraph), ...buildTable(rows));
}

function buildEncoding({ state, reason, findings, limits }, onSeek) {
  const shown = findings.slice(0, MAX_FINDINGS);
  const rest = findings.length - shown.length;
  const outcome = state !== "examined" ? "Not examined"
    : findings.length ? `${findings.length} ${findings.length === 1 ? "observation" : "observations"}` : "Nothing unusual";
  return panel("Traces of encoding", outcome,
    ...(reason ? [paragraph(reason)] : []),
    element("ul", { className: "traces" }, ...shown.map((one) => buildTrace(one, onSeek))),
    ...(rest ? [paragraph(`${rest} more in the report.`)] : []),
    ...(limits ? [element("p", { className: "faint", textContent: limits })] : []));
}

function buildTrace({ strength, sentence, time_ms: ms }, onSeek) {
  const made = element("li", {},
    element("span", { className: `badge ${strength}`, textContent: STRENGTHS[strength] ?? strength }),
    element("span", { textContent: sentence }));
  if (ms !== null) made.append(button(`Show ${formatMoment(ms)}`, () => onSeek(ms), "link"));
  return made;
}

const paragraph = (textContent) => element("p", { textContent });

function buildTable(rows) {
  const filled = rows.filter(([, words]) => words);
  if (!filled.length) return [];
  return [element("table", { className: "facts" }, element("tbody", {}, ...filled.map(([name, words]) =>
    element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", { textContent: words })))))];
}

function panel(title, outcome, ...content) {
  return element("section", { className: "origin" },
    element("h3", { textContent: title }), element("p", { className: "outcome", textContent: outcome }), ...content);
}
