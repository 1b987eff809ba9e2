// What came of a job: the player with its captions, facts, downloads, and what else can be made.

import { getAsset, listCaptions, listJobsOf, streamAddress } from "./api.js";
import { listDownloads, listFiles } from "./artifacts.js";
import { CaptionsEditor, sortByTongue, trackOf } from "./captions.js";
import { showTaskId } from "./dom.js";
import { listFacts, listRenderFacts } from "./facts.js";
import { formatSeconds } from "./format.js";
import { HLS_TYPE, buildPlayer, canPlay } from "./player.js";
import { offerMore } from "./presets.js";
import { offerRenders } from "./renders.js";
import { Strip } from "./strip.js";
import { isFinal } from "./watch.js";

// doors: onMade(taskId) shows another job, onProblem(problem) tells of what went wrong beside this,
// comeBackAfter(taskId) shows this anew when that has ended.
export async function showResult(card, job, name, doors) {
  const find = (place) => card.querySelector(place);
  find(".name").textContent = name;
  showTaskId(find(".task-id"), job.id);
  find(".took").textContent = tookWords(job);
  if (!job.asset_id) {
    for (const place of [".watch", ".columns"]) find(place).hidden = true;
    return;
  }
  const [asset, listed] = await Promise.all([getAsset(job.asset_id), listCaptions(job.asset_id)]);
  const captions = sortByTongue(listed);
  const player = showPlayer(card, job, asset, captions);
  if (!player) await promiseProxy(find(".plays"), asset.id, doors);
  if (job.kind === "render_video") {
    showRender(card, job, asset, player, doors);
    return;
  }
  find(".facts tbody").append(...listFacts(asset));
  find(".downloads").append(...listDownloads(asset));
  find(".more").append(...offerMore(asset.id, doors));
  if (captions.length) showCaptions(card, asset.id, captions, player, doors);
}

// An edit of several films: its own facts and file, not those of the first of them.
function showRender(card, job, asset, player, doors) {
  const made = new Set(job.result.made.map(({ variant }) => variant));
  const own = asset.artifacts.filter(({ kind, variant }) => kind === "render" && made.has(variant));
  card.querySelector(".facts tbody").append(...listRenderFacts(job.result.render));
  card.querySelector(".downloads").append(...listFiles(own));
  new Strip(card.querySelector(".strip"), job.id, player).refresh().catch(doors.onProblem);
}

function tookWords({ duration_seconds: seconds, result }) {
  const words = seconds == null ? "" : `Processed in ${formatSeconds(seconds)}`;
  const { total, reused } = result?.pieces ?? {};
  return total ? `${words}; ${reused} of ${total} ${total === 1 ? "piece" : "pieces"} reused` : words;
}

function showPlayer(card, job, asset, captions) {
  const place = card.querySelector(".player");
  const sources = listSources(job, asset);
  if (!sources.length) {
    place.hidden = true;
    return null;
  }
  const files = Object.fromEntries(asset.artifacts.map((artifact) => [artifact.kind, artifact]));
  const isOwnCut = job.kind === "render_video";
  return buildPlayer(place, {
    sources,
    // The pictures and the words of one film are not those of an edit of several.
    poster: isOwnCut ? "" : files.poster?.url,
    sprite: isOwnCut ? "" : files.sprite?.url,
    spriteIndex: files.sprite_index?.url,
    captions: isOwnCut ? [] : captions.map(trackOf),
    onSource: ({ words }) => { card.querySelector(".plays").textContent = words; },
  });
}

async function promiseProxy(place, assetId, doors) {
  const jobs = await listJobsOf(assetId, "process_video");
  const underWay = jobs.find(({ status }) => !isFinal(status));
  if (underWay) doors.comeBackAfter(underWay.id);
  place.textContent = underWay
    ? "The preview copy is being encoded. The player appears when it is ready."
    : "This browser cannot play any of the files yet. Create the preview copy to watch the video.";
}

// What this browser can play of it, best first: what the job made, then what else there is.
function listSources({ kind, result, asset_id: assetId }, { artifacts }) {
  const made = new Set((result?.made ?? []).map((one) => `${one.kind}/${one.variant}`));
  const isMade = ({ kind: of, variant }) => made.has(`${of}/${variant}`);
  const films = artifacts.filter(({ kind: of, media_type: type }) =>
    FILM_WORDS[of] && (type === "video/mp4" || canPlay(type)));
  const own = films.filter(isMade);
  if (kind === "render_video") return own.map(asSource);
  const streams = kind === "make_ladder" && result?.playlist && canPlay(HLS_TYPE)
    ? [{ url: streamAddress(assetId, result.playlist), words: "Playing: stream (HLS)" }]
    : [];
  const rest = films.filter((film) => !isMade(film) && film.kind !== "render");
  const ordered = [...rest.filter(isProxy), ...rest.filter((film) => !isProxy(film))];
  return [...streams, ...own.map(asSource), ...ordered.map(asSource)];
}

const FILM_WORDS = {
  proxy: "Playing: preview copy", rendition: "Playing: the output", render: "Playing: the render",
};
const isProxy = ({ kind }) => kind === "proxy";
const asSource = ({ url, kind }) => ({ url, words: FILM_WORDS[kind] });

function showCaptions(card, assetId, captions, player, doors) {
  const place = card.querySelector(".captions");
  place.hidden = false;
  card.querySelector(".watch").classList.add("with-captions");
  const renders = offerRenders(assetId, doors);
  new CaptionsEditor(place, assetId, captions, {
    player,
    async onSaved(saved) {
      renders.show(saved);
      const asset = await getAsset(assetId);
      card.querySelector(".downloads").replaceChildren(...listDownloads(asset));
    },
    onShown: (shown) => renders.show(shown),
  });
  place.append(renders.place);
}
