// The queue of analyses that a person should decide about.

import { Problem, assetAddress, getAsset, listReviewQueue } from "./api.js";
import { showBanner } from "./banner.js";
import { Deletions } from "./deletion.js";
import { element, find } from "./dom.js";
import { nameVerdict, shortenVerdict } from "./findings.js";
import { formatWhen } from "./format.js";

const RETRY_MS = 3000;
const names = new Map();
let next = "";

async function showMore() {
  try {
    const page = await listReviewQueue(next);
    const rows = await Promise.all(page.analyses.map(buildRow));
    next = page.next;
    find("queue").append(...rows);
    find("more").hidden = !next;
    find("empty").hidden = find("queue").children.length > 0;
    showBanner(null);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showBanner(problem);
    if (problem.isRetryable) setTimeout(showMore, RETRY_MS);
  }
}

async function buildRow({ id, asset_id: assetId, verdict, created_at: at, fast }) {
  const name = await nameAsset(assetId);
  const badge = element("span", { className: `badge verdict-badge ${verdict}`, textContent: shortenVerdict(verdict), title: nameVerdict(verdict) });
  return element("li", {}, element("a", { href: `${assetAddress(assetId)}#analysis=${encodeURIComponent(id)}` },
    element("span", { className: "title", textContent: name, title: name }),
    element("span", { className: "when", textContent: `${formatWhen(at)}${fast ? ", fast" : ""}` }), badge));
}

async function nameAsset(id) {
  if (!names.has(id)) names.set(id, getAsset(id).then(({ filename }) => filename));
  try {
    return await names.get(id);
  } catch (problem) {
    names.delete(id);
    if (problem.status === 404) return "Deleted video";
    throw problem;
  }
}

find("more").addEventListener("click", showMore);
showMore();
new Deletions().refresh();
