// The public API, as any script could call it.

import { readEvents } from "./eventstream.js";

// The address of the first page, whatever path a proxy serves this file below.
export const SITE = new URL("..", import.meta.url).pathname;
const API = `${SITE}api/v1`;

export class Problem extends Error {
  constructor(document) {
    super(document.detail);
    this.code = document.code;
    this.hint = document.hint ?? "";
    this.logTail = document.log_tail ?? "";
    this.status = document.status;
    // Whether the same request may succeed when repeated.
    this.isRetryable = document.retryable ?? true;
  }
}

export const LOST = {
  code: "connection_lost",
  detail: "The connection to Cinemill was lost.",
  hint: "Check that it is running, then try again.",
  status: 0,
};

// The problem that an event of a stream describes.
export const problemFromDocument = (document) => new Problem(document);

const MAX_ENTRIES = 20000;
// Request Timeout and Too Many Requests: the only client errors that are worth a retry.
const TEMPORARY = new Set([408, 429]);
// What a proxy, or Cinemill itself, responds with while it restarts.
const RESTARTING = new Set([502, 503, 504]);

export function problemFrom(status, body) {
  try {
    const document = JSON.parse(body);
    if (document.code) return new Problem(document);
  } catch { /* Not a problem document; perhaps the response of a proxy. */ }
  return new Problem({
    code: `http_${status}`,
    detail: `A proxy in front of Cinemill responded with ${status}.`,
    hint: PROXY_HINTS.get(status) ?? "Whoever runs this installation finds the cause in the proxy's log.",
    status,
    retryable: status >= 500 || TEMPORARY.has(status),
  });
}

const PROXY_HINTS = new Map([
  [401, "Reload this page and sign in."],
  [403, "Reload this page and sign in."],
  [413, "It does not let files of this size through; its administrator can raise the limit."],
  [502, "Cinemill may be restarting; try again in a moment."],
  [503, "Cinemill may be restarting; try again in a moment."],
  [504, "It waited too short a time for the response; its administrator can raise the limit."],
]);

// What a document says, with links that hold where a proxy has removed a path from the request.
function parse(text) {
  try {
    return JSON.parse(text, (name, value) => (/^(.*_)?url$/.test(name) ? toSite(value) : value));
  } catch {
    // Such as the sign-in page of a proxy.
    throw new Problem({
      code: "not_a_mill",
      detail: "The response came from something in front of Cinemill.",
      hint: "Reload this page; you may have to sign in.",
      status: 200,
      retryable: false,
    });
  }
}

function toSite(link) {
  if (typeof link !== "string" || !link.startsWith("/") || link.startsWith(SITE)) return link;
  return SITE + link.slice(1);
}

async function request(method, address, body, headers = {}, signal = undefined) {
  let response;
  try {
    response = await fetch(address, {
      method,
      signal,
      headers: body ? { "Content-Type": "application/json", ...headers } : headers,
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem(LOST);
  }
  if (!response.ok) throw problemFrom(response.status, await response.text());
  return response;
}

async function call(method, address, body, headers = {}) {
  const text = await (await request(method, address, body, headers)).text();
  return text ? parse(text) : null;
}

// Whether a file can be read now: true, false, or null while Cinemill does not respond at all.
export async function canRead(address) {
  const found = await askStatus(address);
  if (found) return RESTARTING.has(found.status) ? null : found.ok;
  const itself = await askStatus(`${SITE}health`);
  return itself && !RESTARTING.has(itself.status) ? false : null;
}

// Never from the browser's cache, which has files that the server does not.
async function askStatus(address) {
  try {
    return await fetch(address, { method: "HEAD", cache: "no-store" });
  } catch {
    return null;
  }
}

const at = encodeURIComponent;

// The id in the address of a page such as /assets/ID.
export const idInAddress = () => decodeURIComponent(location.pathname.slice(SITE.length).split("/")[1] ?? "");

// The entries of all pages of a list, up to a limit that keeps the page usable.
async function listAll(address, name) {
  const found = [];
  let next = "";
  do {
    const page = await call("GET", next ? `${address}&cursor=${at(next)}` : address);
    found.push(...page[name]);
    next = page.next;
  } while (next && found.length < MAX_ENTRIES);
  return found;
}


export const getStatus = (id) => call("GET", `${API}/jobs/${at(id)}/status`);
export const getTimeline = (id) => call("GET", `${API}/jobs/${at(id)}/timeline`);
export const getJob = (id) => call("GET", `${API}/jobs/${at(id)}`);
// Of videos, so not upkeep. One clip is enough to name a job. Larger timelines are left out of lists;
// see needsParams.
export const listJobs = (limit, cursor = "") =>
  call("GET", `${API}/jobs?of_videos=true&limit=${limit}&list_items=1${cursor ? `&cursor=${at(cursor)}` : ""}`);
// Whether a job from a list lacks its parameters because they are too large for a list.
export const needsParams = ({ clipped }) => clipped.includes("params");
export const cancelJob = (id, reason) => call("POST", `${API}/jobs/${at(id)}/cancel`, { reason });
export const retryJob = (id) => call("POST", `${API}/jobs/${at(id)}/retry`);
export const fetchModel = (name) => call("POST", `${API}/models/${at(name)}/fetch`);
// Of a video's own page.
export const assetAddress = (id) => `${SITE}assets/${at(id)}`;
export const getAsset = (id) => call("GET", `${API}/assets/${at(id)}`);
export const setCollection = (assetId, collection) =>
  call("PATCH", `${API}/assets/${at(assetId)}`, { collection });
// For so many seconds it can be restored.
export const deleteAsset = (id, undoSeconds) =>
  call("DELETE", `${API}/assets/${at(id)}?undo_seconds=${undoSeconds}`);
export const restoreAsset = (id) => call("POST", `${API}/assets/${at(id)}/restore`);
export const listDeletedAssets = async () =>
  (await call("GET", `${API}/assets?being_deleted=true&limit=100`)).assets;
export const listCollections = () => listAll(`${API}/collections?limit=500`, "collections");
export const getChapters = (assetId) => call("GET", `${API}/assets/${at(assetId)}/chapters`);
export const createJob = (assetId, kind, params) =>
  call("POST", `${API}/assets/${at(assetId)}/jobs`, { kind, params });
export const uploadAddress = `${API}/upload`;
export const submitJob = (kind, params) => call("POST", `${API}/jobs`, { kind, params });
export const listJobsOf = async (assetId, kind) =>
  (await call("GET", `${API}/jobs?limit=100&asset_id=${at(assetId)}&kind=${at(kind)}`)).jobs;
export const listCaptions = async (assetId) =>
  (await call("GET", `${API}/assets/${at(assetId)}/captions`)).captions;
export const createIngestion = (assetId, profile) =>
  call("POST", `${API}/assets/${at(assetId)}/ingestions`, { profile });
// The latest jobs that find out what is in a video, and what is known by now.
export const getKnown = (assetId) => call("GET", `${API}/assets/${at(assetId)}/ingestions?limit=5`);
export const createAnalysis = (assetId, isFast) =>
  call("POST", `${API}/assets/${at(assetId)}/analyses`, { fast: isFast });
export const listAnalyses = async (assetId) =>
  (await call("GET", `${API}/assets/${at(assetId)}/analyses?limit=50`)).analyses;
export const getAnalysis = (id) => call("GET", `${API}/analyses/${at(id)}`);
export const listFrameScores = (id) => listAll(`${API}/analyses/${at(id)}/frames?limit=500`, "frames");
export const listRegions = (id) => listAll(`${API}/analyses/${at(id)}/regions?limit=500`, "regions");
export const reportAddress = (id, form) => `${API}/analyses/${at(id)}/report.${form}`;
export const listReviews = (id) => listAll(`${API}/analyses/${at(id)}/reviews?limit=500`, "reviews");
export const addReview = (id, review) => call("POST", `${API}/analyses/${at(id)}/reviews`, review);
export const listReviewQueue = (cursor = "") =>
  call("GET", `${API}/reviews?limit=50${cursor ? `&cursor=${at(cursor)}` : ""}`);
// A JSON file of a video.
export const getDocument = (url) => call("GET", url);
export const getCaptions = (assetId, language) => call("GET", captionsAddress(assetId, language));
export const saveCaptions = (assetId, language, version, captions) =>
  call("PUT", captionsAddress(assetId, language), { captions }, { "If-Match": tag(version) });
export const discardCorrection = (assetId, language, version) =>
  call("DELETE", captionsAddress(assetId, language), undefined, { "If-Match": tag(version) });
// "*" matches any version; in quotes it would be a version of that name.
const tag = (version) => (version === "*" ? version : `"${version}"`);
const captionsAddress = (assetId, language) => `${API}/assets/${at(assetId)}/captions/${at(language)}`;
export const streamAddress = (assetId, playlist) => `${API}/assets/${at(assetId)}/streams/${playlist}`;
export const eventsAddress = (id) => `${API}/jobs/${at(id)}/events`;
// A moment of a video on its page; seconds.
export const momentAddress = (id, seconds) => `${assetAddress(id)}?t=${Number(seconds.toFixed(3))}`;
export const entityAddress = (id) => `${SITE}entities/${at(id)}`;
// By POST, since an address has room for a shorter query only.
export const searchVideos = (query, collections) =>
  call("POST", `${API}/search`, { q: query, collection: collections });
// Yields the events of an answer: retrieval, delta, citations and done, or error.
export async function* ask(question, conversationId, collections, signal) {
  const asked = { question, conversation_id: conversationId, collections };
  const response = await request("POST", `${API}/ask`, asked, { Accept: "text/event-stream" }, signal);
  try {
    yield* readEvents(response);
  } catch (error) {
    // A stream that breaks off; anything else is an error of this page.
    if (error instanceof TypeError) throw new Problem(LOST);
    throw error;
  }
}
export const getEntity = (id, cursor = "") =>
  call("GET", `${API}/entities/${at(id)}${cursor ? `?cursor=${at(cursor)}` : ""}`);
// The evidence of one relation as getEntity lists it, a page at a time.
export function listEvidence(id, relation, cursor = "") {
  const query = new URLSearchParams({ other: relation.entity.id, limit: "20", ...cursor && { cursor } });
  for (const name of ["predicate", "kind", "is_subject", "is_negated", "is_possible"]) query.set(name, relation[name]);
  return call("GET", `${API}/entities/${at(id)}/evidence?${query}`);
}
export const listFindings = (assetId) => listAll(`${API}/assets/${at(assetId)}/findings?limit=500`, "findings");
