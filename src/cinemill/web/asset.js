// The page of one video: player, lanes of findings, verdict, facts and downloads.

import { AnalysisPanel } from "./analysis.js";
import { Problem, SITE, createJob, getAsset, getCaptions, idInAddress, listCaptions, listJobsOf } from "./api.js";
import { listDownloads } from "./artifacts.js";
import { showBanner } from "./banner.js";
import { ChaptersPanel } from "./chapters.js";
import { buildCollectionForm } from "./collections.js";
import { Deletions, deleteButton } from "./deletion.js";
import { button, element, find } from "./dom.js";
import { isSoundAlone, listFacts, nameFacts } from "./facts.js";
import { captionsLane } from "./findings.js";
import { nameLanguage } from "./format.js";
import { KnownPanel } from "./knowledge.js";
import { Lanes } from "./lanes.js";
import { LineEditor } from "./lineedit.js";
import { buildOrigin } from "./origin.js";
import { buildPlayer } from "./player.js";
import { listOwnSources } from "./sources.js";
import { bringIntoView, isOutOfView, reveal } from "./reveal.js";
import { sortByPreferredLanguage, trackOf } from "./tracks.js";
import { Transcript } from "./transcript.js";
import { isFinal, watchJob } from "./watch.js";

const RETRY_MS = 3000;
const PROXY = "process_video";
const assetId = idInAddress();
const GONE = { code: "asset_not_found", message: "It was deleted, with everything that was made of it." };

// Seconds, of a moment that a link leads to; NaN for none.
const timeInAddress = () => Number.parseFloat(new URLSearchParams(location.search).get("t") ?? "");
const analysisInAddress = () => new URLSearchParams(location.hash.slice(1)).get("analysis") ?? "";

const deletions = new Deletions({
  onDeleted: (id) => { if (id === assetId) setDeleted(true); },
  onRestored: (id) => { if (id === assetId) setDeleted(false); },
  onGone: (id) => { if (id === assetId) showMissing(GONE); },
});

// While its deletion can be undone, the page stays as it is, but for being out of use.
function setDeleted(isDeleted) {
  find("video").inert = isDeleted;
  if (isDeleted) find("player").querySelector("video, audio")?.pause();
  else find("asset-name").focus({ preventScroll: true });
}

async function load() {
  try {
    const [asset, captions] = await Promise.all([getAsset(assetId), listCaptions(assetId)]);
    showBanner(null);
    await show(asset, sortByPreferredLanguage(captions));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 404) showMissing(problem);
    else showBanner(problem);
    if (problem.isRetryable) setTimeout(load, RETRY_MS);
  }
}

// Beside the video's own place, which is only hidden: requests that are still under way fill it.
function showMissing({ message, code }) {
  find("video").inert = false;
  find("video").hidden = true;
  find("missing").replaceChildren(element("article", { className: "card error" },
    element("p", { className: "kicker", textContent: "This video could not be loaded" }),
    element("h1", { className: "name", tabIndex: -1, textContent: "This video does not exist" }),
    element("p", { className: "sentence", textContent: message }),
    element("div", { className: "actions" }, element("a", { className: "button", href: SITE, textContent: "Show all videos" })),
    element("p", { className: "line faint" }, element("span", {}, "Code ", element("code", { className: "code", textContent: code })))));
  find("missing").hidden = false;
}

async function show(asset, captions) {
  document.title = `${asset.filename} – Cinemill`;
  find("asset-name").textContent = asset.filename;
  find("asset-head").append(deleteButton(asset.filename, () => deletions.remove(assetId, asset.filename)));
  find("facts-title").textContent = nameFacts(asset);
  if (isSoundAlone(asset)) leaveOutFaces();
  find("facts").replaceChildren(...listFacts(asset));
  find("collection").replaceChildren(buildCollectionForm(asset));
  find("downloads").replaceChildren(...listDownloads(asset));
  const lanes = buildLanes(asset);
  const transcript = buildTranscript(lanes, { onIndexed: () => chapters.refresh().catch(showBanner) });
  const panel = new AnalysisPanel(find("analysis"), asset, { lanes, onProblem: showBanner });
  const chapters = new ChaptersPanel(find("chapters"), assetId, {
    onSeek: (ms) => lanes.seek(ms), onLanes: (rows) => lanes.setChapters(rows),
  });
  await showSpeech(captions, transcript);
  find("video").hidden = !find("missing").hidden;
  showPlayer(asset, captions, (player) => {
    lanes.follow(player.video);
    transcript.follow(player);
    chapters.follow(player.video);
    goToAddressed(player.video);
    panel.setPlayer(player);
  });
  addEventListener("hashchange", () => showAddressed(panel));
  const origin = buildOrigin(asset, (ms) => lanes.seek(ms));
  const known = new KnownPanel(find("known"), assetId, {
    onLanes: (rows) => lanes.setKnown(rows),
    onIngested: async () => {
      try {
        await Promise.all([known.refresh(), chapters.refresh()]);
        await showSpeech(sortByPreferredLanguage(await listCaptions(assetId)), transcript);
      } catch (problem) {
        showBanner(problem);
      }
    },
  });
  deletions.refresh();
  await Promise.all([showAddressed(panel), known.refresh().catch(showBanner), chapters.refresh().catch(showBanner)]);
  showOrigin(await origin);
}

// Of sound alone there is no verdict either.
function leaveOutFaces() {
  for (const id of ["analysis", "boxes-choice", "lanes-help"]) find(id).hidden = true;
  find("origin-title").textContent = "Origin";
  find("origin-words").textContent = "Observed in the file itself.";
}

// The analysis that a link leads to comes into view; without one, the newest is shown in its place.
// Whoever has gone elsewhere on the page meanwhile stays there.
async function showAddressed(panel) {
  if (find("analysis").hidden) return;
  const id = analysisInAddress();
  const from = document.activeElement;
  await panel.show(id);
  const title = find("analysis").querySelector("[tabindex='-1']");
  const hasMoved = ![from, document.body, title].includes(document.activeElement);
  if (id && title && !hasMoved) reveal(find("analysis"), title);
}

// Once the player knows the video; it stays there until a person plays it.
function goToAddressed(video) {
  const seconds = timeInAddress();
  if (!(seconds > 0)) return;
  video.addEventListener("loadedmetadata", () => { video.currentTime = Math.min(seconds, video.duration); }, { once: true });
}

// The lanes, in a section that is hidden while there are none, with a switch for boxes.
function buildLanes(asset) {
  const seconds = asset.media?.duration_seconds_from_header || 1;
  const lanes = new Lanes(find("lanes"), { durationMs: 1000 * seconds });
  const place = find("lanes-section");
  const boxes = find("show-boxes");
  let faces = [];
  let chapters = [];
  let speech = [];
  let known = [];
  const draw = () => {
    const rows = [...faces, ...chapters, ...speech, ...known];
    place.hidden = rows.length === 0;
    lanes.show(rows);
  };
  return {
    follow: (video) => lanes.follow(video),
    seek: (ms) => {
      lanes.seek(ms);
      if (isOutOfView(find("player"))) bringIntoView(find("player"));
    },
    show: (rows, setBoxesShown) => {
      const hasFaces = rows.some(({ id }) => id > 0);
      for (const id of ["boxes-choice", "lanes-help"]) find(id).hidden = !hasFaces;
      boxes.onchange = () => setBoxesShown(boxes.checked);
      setBoxesShown(boxes.checked);
      faces = rows;
      draw();
    },
    setChapters: (rows) => { chapters = rows; draw(); },
    setSpeech: (rows) => { speech = rows; draw(); },
    setKnown: (rows) => { known = rows; draw(); },
  };
}

// The lines of what is said, editable where they stand; the lane and the player show an edit at once.
function buildTranscript(lanes, { onIndexed }) {
  let player = null;
  const show = (found) => {
    lanes.setSpeech(found ? [captionsLane(nameLanguage(found.language), found)] : []);
    lines.show(found?.captions ?? []);
    find("transcript-section").hidden = !found;
  };
  const editor = new LineEditor(find("transcript-message"), assetId, {
    onSaved: (saved) => {
      show(saved);
      listCaptions(assetId)
        .then((all) => player?.setCaptions(sortByPreferredLanguage(all).map(trackOf)))
        .catch(showBanner);
    },
    onIndexed,
  });
  const lines = new Transcript(find("transcript"), {
    onSeek: (ms) => lanes.seek(ms),
    onEdit: (at, item) => editor.edit(at, item),
  });
  return {
    follow: (shown) => {
      player = shown;
      lines.follow(shown.video);
    },
    show: (found) => {
      if (editor.isChanged) return; // somebody is writing
      editor.setDocument(found);
      show(found);
    },
  };
}

// At most one language: the player's captions show the others.
async function showSpeech([first], transcript) {
  let found = null;
  try {
    if (first) found = await getCaptions(assetId, first.language);
  } catch { /* Deleted meanwhile. */ }
  transcript.show(found?.captions.length ? found : null);
}

async function showPlayer(asset, captions, onReady) {
  const sources = await listOwnSources(asset);
  const place = find("player");
  if (!sources.length) {
    place.hidden = true;
    promisePlayer((changed) => showPlayer(changed, captions, onReady));
    return;
  }
  place.hidden = false;
  const { display_width: width, display_height: height } = asset.media?.video ?? {};
  if (width && height) place.style.setProperty("--aspect", String(width / height));
  find("no-player").hidden = true;
  const files = Object.fromEntries(asset.artifacts.map((artifact) => [artifact.kind, artifact]));
  onReady(buildPlayer(place, {
    sources,
    isSound: isSoundAlone(asset),
    waveform: files.waveform?.url,
    poster: files.poster?.url,
    sprite: files.sprite?.url,
    spriteIndex: files.sprite_index?.url,
    captions: captions.map(trackOf),
    plays: find("plays"),
    onStuck: () => {
      if (files.proxy) return;
      place.hidden = true;
      promisePlayer((changed) => {
        place.replaceChildren();
        showPlayer(changed, captions, onReady);
      });
    },
  }));
}

// Follows the job that encodes the preview copy, or offers one.
async function promisePlayer(onMade) {
  const place = find("no-player");
  place.hidden = false;
  const follow = (jobId) => {
    place.textContent = "The preview copy is being encoded. The player appears when it is ready.";
    const end = async () => {
      const asset = await getAsset(assetId);
      if (asset.artifacts.some(({ kind }) => kind === "proxy")) onMade(asset);
      else offer();
    };
    watchJob(jobId, {
      onProgress: ({ status }) => { if (isFinal(status)) end().catch(showBanner); },
      onLost: () => {},
      onRefused: offer,
    });
  };
  const offer = () => {
    place.replaceChildren(
      element("p", { textContent: "This browser cannot play any of the files yet." }),
      button("Create the preview copy", async (made) => {
        made.disabled = true;
        try {
          follow((await createJob(assetId, PROXY, {})).id);
        } catch (problem) {
          made.disabled = false;
          showBanner(problem);
        }
      }, "button primary"));
  };
  try {
    const running = (await listJobsOf(assetId, PROXY)).find(({ status }) => !isFinal(status));
    if (running) follow(running.id);
    else offer();
  } catch (problem) {
    showBanner(problem);
    offer();
  }
}

function showOrigin(panels) {
  find("origin").hidden = panels.length === 0;
  find("origin-panels").replaceChildren(...panels);
}

load();
