// The page that searches all videos and answers questions about them.

import { Problem, entityAddress, searchVideos } from "./api.js";
import { showBanner } from "./banner.js";
import { CollectionChoice } from "./collections.js";
import { Deletions } from "./deletion.js";
import { announce, element, find } from "./dom.js";
import { buildMoment } from "./moments.js";
import { Thread } from "./thread.js";

// A longer query has no place in the page's address.
const LONGEST_IN_ADDRESS = 1500;
// A closed list of collections changes with each arrow key.
const SETTLE_MS = 400;
const field = find("query");
const followUp = find("more-question");
let latest = 0;
let settling = 0;

const thread = new Thread(find("turns"), {
  onBusy: (isBusy) => {
    find("more-ask").disabled = isBusy;
  },
});

const choice = new CollectionChoice(find("in-collection"), find("collection"), { onChange: searchElsewhere });

const inAddress = (name) => new URLSearchParams(location.search).get(name) ?? "";

function submit(event) {
  event.preventDefault();
  const query = field.value.trim();
  if (!query) return;
  if (event.submitter?.value === "ask") askFirst(query);
  else {
    history.pushState(null, "", writeAddress(query));
    search(query);
  }
}

function writeAddress(query) {
  const [collection] = choice.names;
  const values = { ...query.length <= LONGEST_IN_ADDRESS && { q: query }, ...collection && { collection } };
  return Object.keys(values).length ? `?${new URLSearchParams(values)}` : location.pathname;
}

// Another collection was chosen: what was searched for is searched for there, once the choice stays.
function searchElsewhere() {
  showPlace();
  clearTimeout(settling);
  const query = field.value.trim();
  if (!query || find("found").hidden) return;
  history.replaceState(null, "", writeAddress(query));
  settling = setTimeout(() => search(query), SETTLE_MS);
}

function showPlace() {
  const [collection] = choice.names;
  find("searched").textContent = collection ? `Search the collection “${collection}”` : "Search all videos";
}

// Whatever is still looked for is not wanted any more.
function startAnother() {
  clearTimeout(settling);
  latest += 1;
  return latest;
}

async function search(query) {
  const number = startAnother();
  const place = find("found");
  thread.clear();
  find("thread").hidden = true;
  place.setAttribute("aria-busy", "true");
  try {
    const found = await searchVideos(query, choice.names);
    if (number !== latest) return;
    showBanner(null);
    showFound(found, query);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (number === latest) showRefusal(problem);
  } finally {
    if (number === latest) place.removeAttribute("aria-busy");
  }
}

function showFound(found, query) {
  const moments = found.nothing_found ? found.nearest : found.hits;
  find("found").hidden = false;
  find("found-title").textContent = found.nothing_found ? "Nothing found" : countMoments(moments.length);
  find("found-words").textContent = describeFound(found);
  const entities = find("found-entities");
  entities.hidden = found.entities.length === 0;
  entities.replaceChildren(...found.entities.map(({ id, name }) =>
    element("a", { href: entityAddress(id), textContent: name })));
  find("moments").replaceChildren(...moments.map((one) => buildMoment(one, { query })));
  announce(found.nothing_found ? `Nothing found. ${find("found-words").textContent}` : find("found-title").textContent);
}

const countMoments = (count) => (count === 1 ? "1 moment" : `${count} moments`);

export function describeFound({ nothing_found: isNothing, nearest, vectors, vectors_hint: hint }) {
  const parts = [];
  if (isNothing && nearest.length) parts.push("No moment answers this. What came nearest, without answering it:");
  else if (isNothing) parts.push("Nothing in the videos comes near this. What a video contains is found once it was ingested, on its own page or with cinemill ingest.");
  else if (matchMedia("(hover: hover)").matches) parts.push("Point at a moment to play it, and open it to watch it in its video.");
  else parts.push("Open a moment to watch it in its video.");
  if (vectors === "used" && hint) parts.push(hint);
  if (!["used", "not_used"].includes(vectors)) parts.push(`Only words and names were compared, not meanings. ${hint}`);
  return parts.join(" ").trim();
}

function showRefusal({ message, hint, code }) {
  find("found").hidden = false;
  find("found-title").textContent = "This search did not work";
  find("found-words").textContent = `${message} ${hint} (${code})`;
  find("found-entities").hidden = true;
  find("moments").replaceChildren();
  announce(message);
}

function askFirst(question) {
  startAnother();
  thread.clear();
  find("found").hidden = true;
  find("thread").hidden = false;
  thread.ask(question, choice.names);
}

function showAddressed() {
  const query = inAddress("q");
  choice.set(inAddress("collection"));
  showPlace();
  field.value = query;
  if (query) search(query);
  else {
    startAnother();
    find("found").hidden = true;
    find("thread").hidden = true;
    field.focus();
  }
}

find("query-form").addEventListener("submit", submit);
find("more-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = followUp.value.trim();
  if (!question) return;
  followUp.value = "";
  const isAnswered = await thread.ask(question, choice.names);
  // What was typed meanwhile is worth more than the question that failed, which the turn shows.
  if (!isAnswered && !followUp.value) followUp.value = question;
});
addEventListener("popstate", showAddressed);
showAddressed();
choice.load();
new Deletions().refresh();
