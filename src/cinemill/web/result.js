// The result of a job: player and captions, properties, downloads, and further outputs.

import { assetAddress, getAsset, getKnown, listCaptions, listJobsOf } from "./api.js";
import { listDownloads, listFiles } from "./artifacts.js";
import { CaptionsEditor } from "./captions.js";
import { deleteButton } from "./deletion.js";
import { showTaskId } from "./dom.js";
import { isSoundAlone, listFacts, listGapFacts, listRenderFacts, nameFacts } from "./facts.js";
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
// comeBackAfter(taskId) shows this result again when that job has ended, onDelete(assetId, name) deletes
// the video.
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
  offerDeletion(card, job.asset_id, name, callbacks.onDelete);
  const [first, listed, known] = await Promise.all([
    getAsset(job.asset_id), listCaptions(job.asset_id), getKnown(job.asset_id),
  ]);
  const captions = sortByPreferredLanguage(listed);
  const { asset, sources, proxyJob } = await findSources(job, first);
  const player = showPlayer(card, job, asset, { captions, sources, callbacks });
  if (!player) promiseProxy(find(".plays"), proxyJob, callbacks);
  if (job.kind === "render_video") {
    showRender(card, job, asset, player, callbacks);
    return;
  }
  find(".facts-title").textContent = nameFacts(asset);
  find(".facts tbody").append(...listGapFacts(job.result?.gaps), ...listFacts(asset));
  find(".downloads").append(...listDownloads(asset));
  showKnown(find(".found"), asset.id, known, callbacks);
  find(".more").append(...offerMore(asset.id, callbacks));
  if (captions.length) showCaptions(card, asset.id, captions, player, callbacks);
}

function offerDeletion(card, assetId, name, onDelete) {
  card.querySelector(".result-links").append(deleteButton(name, () => onDelete(assetId, name)));
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

function showPlayer(card, job, asset, { captions, sources, callbacks }) {
  const place = card.querySelector(".player");
  if (!sources.length) {
    place.hidden = true;
    return null;
  }
  const files = Object.fromEntries(asset.artifacts.map((artifact) => [artifact.kind, artifact]));
  const isRender = job.kind === "render_video";
  return buildPlayer(place, {
    sources,
    isSound: !isRender && isSoundAlone(asset),
    waveform: files.waveform?.url,
    // Poster, thumbnails and captions of one source do not apply to a render.
    poster: isRender ? "" : files.poster?.url,
    sprite: isRender ? "" : files.sprite?.url,
    spriteIndex: files.sprite_index?.url,
    captions: isRender ? [] : captions.map(trackOf),
    plays: card.querySelector(".plays"),
    onStuck: async () => {
      if (isRender || files.proxy) return;
      place.hidden = true;
      promiseProxy(card.querySelector(".plays"), await findProxyJob(asset).catch(() => null), callbacks);
    },
  });
}

// Find what can be played, or the running job that encodes the preview copy of an asset of which nothing
// can. The asset is read again if there is none: the job may have ended between the two requests.
async function findSources(job, first) {
  const sources = await listSources(job, first);
  if (sources.length) return { asset: first, sources };
  const proxyJob = await findProxyJob(first);
  if (proxyJob) return { asset: first, sources, proxyJob };
  const asset = await getAsset(first.id);
  return { asset, sources: await listSources(job, asset) };
}

async function findProxyJob(asset) {
  const jobs = await listJobsOf(asset.id, "process_video");
  return jobs.find(({ status }) => !isFinal(status));
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
