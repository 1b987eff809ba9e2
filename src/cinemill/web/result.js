// The result of a job: player and captions, properties, downloads, and further outputs.

import { assetAddress, getAsset, getKnown, listCaptions, listJobsOf } from "./api.js";
import { listDownloads, listFiles } from "./artifacts.js";
import { CaptionsEditor } from "./captions.js";
import { showTaskId } from "./dom.js";
import { listFacts, listRenderFacts } from "./facts.js";
import { formatSeconds } from "./format.js";
import { showKnown } from "./known.js";
import { buildPlayer } from "./player.js";
import { offerMore } from "./presets.js";
import { offerRenders } from "./renders.js";
import { listSources } from "./sources.js";
import { Strip } from "./strip.js";
import { sortByPreferredLanguage, trackOf } from "./tracks.js";
import { isFinal } from "./watch.js";

// Callbacks: onMade(taskId) shows another job, onProblem(problem) reports problems of other requests,
// comeBackAfter(taskId) shows this result again when that job has ended.
export async function showResult(card, job, name, callbacks) {
  const find = (place) => card.querySelector(place);
  find(".name").textContent = name;
  showTaskId(find(".task-id"), job.id);
  find(".took").textContent = tookWords(job);
  if (!job.asset_id) {
    for (const place of [".watch", ".columns"]) find(place).hidden = true;
    return;
  }
  showLink(find(".to-asset"), job.asset_id);
  const [first, listed, known] = await Promise.all([
    getAsset(job.asset_id), listCaptions(job.asset_id), getKnown(job.asset_id),
  ]);
  const captions = sortByPreferredLanguage(listed);
  const { asset, proxyJob } = await findProxyJob(job, first);
  const player = showPlayer(card, job, asset, captions);
  if (!player) promiseProxy(find(".plays"), proxyJob, callbacks);
  if (job.kind === "render_video") {
    showRender(card, job, asset, player, callbacks);
    return;
  }
  find(".facts tbody").append(...listFacts(asset));
  find(".downloads").append(...listDownloads(asset));
  showKnown(find(".found"), asset.id, known, callbacks);
  find(".more").append(...offerMore(asset.id, callbacks));
  if (captions.length) showCaptions(card, asset.id, captions, player, callbacks);
}

function showLink(link, assetId) {
  link.href = assetAddress(assetId);
  link.hidden = false;
}

// A render of several videos has properties and files of its own.
function showRender(card, job, asset, player, callbacks) {
  const made = new Set(job.result.made.map(({ variant }) => variant));
  const own = asset.artifacts.filter(({ kind, variant }) => kind === "render" && made.has(variant));
  card.querySelector(".facts tbody").append(...listRenderFacts(job.result.render));
  card.querySelector(".downloads").append(...listFiles(own));
  new Strip(card.querySelector(".strip"), job.id, player).refresh().catch(callbacks.onProblem);
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
  const isRender = job.kind === "render_video";
  return buildPlayer(place, {
    sources,
    // Poster, thumbnails and captions of one source do not apply to a render.
    poster: isRender ? "" : files.poster?.url,
    sprite: isRender ? "" : files.sprite?.url,
    spriteIndex: files.sprite_index?.url,
    captions: isRender ? [] : captions.map(trackOf),
    onSource: ({ words }) => { card.querySelector(".plays").textContent = words; },
  });
}

// Find the running job that encodes the preview copy of an asset that cannot be played yet. The asset
// is read again if there is none: the job may have ended between the two requests.
async function findProxyJob(job, asset) {
  if (listSources(job, asset).length) return { asset };
  const jobs = await listJobsOf(asset.id, "process_video");
  const proxyJob = jobs.find(({ status }) => !isFinal(status));
  return { proxyJob, asset: proxyJob ? asset : await getAsset(asset.id) };
}

function promiseProxy(place, proxyJob, callbacks) {
  if (proxyJob) callbacks.comeBackAfter(proxyJob.id);
  place.textContent = proxyJob
    ? "The preview copy is being encoded. The player appears when it is ready."
    : "This browser cannot play any of the files yet. Create the preview copy to watch the video.";
}

function showCaptions(card, assetId, captions, player, callbacks) {
  const place = card.querySelector(".captions");
  place.hidden = false;
  card.querySelector(".watch").classList.add("with-captions");
  const renders = offerRenders(assetId, callbacks);
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
