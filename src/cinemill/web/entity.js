// The page of one entity: its names, its relations with their evidence, and its moments.

import { Problem, SITE, entityAddress, getEntity, idInAddress, listEvidence } from "./api.js";
import { showBanner } from "./banner.js";
import { Deletions } from "./deletion.js";
import { element, find } from "./dom.js";
import { buildGraph } from "./graph.js";
import { buildMoment } from "./moments.js";

const RETRY_MS = 3000;
const entityId = idInAddress();
const WHERE = { speech: "Said", text: "Written in the picture", picture: "Seen", title: "In the title", vision: "Seen" };
let next = "";

const count = (number, one, several = `${one}s`) => `${number} ${number === 1 ? one : several}`;

async function load() {
  try {
    show(await getEntity(entityId));
    showBanner(null);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 404) showMissing(problem);
    else showBanner(problem);
    if (problem.isRetryable && problem.status !== 404) setTimeout(load, RETRY_MS);
  }
}

function showMissing({ message, code }) {
  find("entity").replaceChildren(element("article", { className: "card error" },
    element("h1", { className: "name", tabIndex: -1, textContent: "This entity does not exist" }),
    element("p", { className: "sentence", textContent: message }),
    element("div", { className: "actions" }, element("a", { className: "button", href: `${SITE}search`, textContent: "Search all videos" })),
    element("p", { className: "line faint" }, element("span", {}, "Code ", element("code", { className: "code", textContent: code })))));
  find("entity").hidden = false;
}

function show(entity) {
  document.title = `${entity.name} – Cinemill`;
  find("entity-name").textContent = entity.name;
  const kind = entity.kind.replaceAll("_", " ");
  find("entity-words").textContent = `${kind[0].toUpperCase()}${kind.slice(1)}, mentioned `
    + `${count(entity.mention_count, "time")} in ${count(entity.asset_count, "video")}`;
  const others = entity.names.filter((name) => name !== entity.name);
  find("entity-names").hidden = others.length === 0;
  find("entity-names").textContent = `Also called ${others.join(", ")}`;
  find("relations-section").hidden = entity.relations.length === 0;
  find("relations").replaceChildren(...entity.relations.map((one) => buildRelation(entity, one)));
  find("graph").replaceChildren(...buildGraph(entity.name, entity.relations));
  find("together-section").hidden = entity.co_occurrences.length === 0;
  find("together").replaceChildren(...entity.co_occurrences.map(({ entity: other, passage_count: passages }) =>
    element("a", { href: entityAddress(other.id), textContent: other.name, title: count(passages, "passage") })));
  find("moments").replaceChildren();
  addMoments(entity);
  find("entity").hidden = false;
}

function addMoments(page) {
  next = page.next;
  find("moments").append(...page.moments.map((one) => buildMoment({ ...one, text: describeMention(one) })));
  find("more").hidden = !next;
}

const describeMention = ({ modality, name, is_inferred: isInferred }) =>
  `${WHERE[modality] ?? modality}: “${name}”${isInferred ? ", which stands for it" : ""}`;

function buildRelation(entity, relation) {
  const { entity: other, predicate, weight, asset_count: videos } = relation;
  const link = element("a", { href: entityAddress(other.id), textContent: other.name });
  const verb = ` ${describePredicate(relation)} `;
  const words = relation.is_subject
    ? [`${entity.name}${verb}`, link]
    : [link, `${verb}${entity.name}`];
  const place = element("ol", { className: "moments" });
  const details = element("details", {},
    element("summary", { textContent: `${count(weight, "piece")} of evidence in ${count(videos, "video")}` }), place);
  const more = element("button", { type: "button", className: "secondary", textContent: "More evidence", hidden: true });
  details.append(more);
  let cursor = "";
  const add = async () => {
    more.disabled = true;
    try {
      const page = await listEvidence(entity.id, relation, cursor);
      cursor = page.next;
      place.append(...page.statements.map((one) => buildEvidence(one, predicate)));
      more.hidden = !cursor;
      showBanner(null);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showBanner(problem);
      more.hidden = false;
    } finally {
      more.disabled = false;
    }
  };
  more.addEventListener("click", add);
  details.addEventListener("toggle", () => {
    if (details.open && !place.children.length && !more.disabled) add();
  });
  return element("li", {}, element("p", {}, ...words), details);
}

function describePredicate({ predicate, is_negated: isNegated, is_possible: isPossible }) {
  const notes = [isNegated ? "denied" : "", isPossible ? "possible" : ""].filter(Boolean);
  return `${predicate.replaceAll("_", " ")}${notes.length ? ` (${notes.join(", ")})` : ""}`;
}

function buildEvidence(statement, predicate) {
  const said = statement.text || `${statement.subject} ${predicate} ${statement.object}`;
  const who = statement.according_to ? ` (according to ${statement.according_to})` : "";
  const query = `${statement.subject} ${predicate} ${statement.object}`;
  return buildMoment({ ...statement, text: `${said}${who}` }, { query });
}

find("more").addEventListener("click", async () => {
  try {
    addMoments(await getEntity(entityId, next));
  } catch (problem) {
    showBanner(problem);
  }
});
load();
new Deletions().refresh();
