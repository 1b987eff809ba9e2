// Wires the page: uploads chosen or dropped videos, and shows the one in the address.

import { showBanner } from "./banner.js";
import { hasUnsaved } from "./captions.js";
import { wireUploadField } from "./collections.js";
import { Deletions } from "./deletion.js";
import { announce, find } from "./dom.js";
import { chosenIn, createProxy, wirePresets, wireProfiles, withProfile } from "./presets.js";
import { RecentList } from "./recent.js";
import { Refusals } from "./refusals.js";
import { TaskView } from "./task.js";
import { Uploads } from "./uploads.js";

const drop = find("drop");
const picker = find("files");
const preset = find("preset");
const profile = find("profile");
const chooseAnother = () => picker.click();

const deletions = new Deletions({
  onDeleted: (assetId) => {
    recent.hide(assetId);
    if (assetId && task.assetId === assetId) closeTask();
  },
  onRestored: (assetId) => {
    recent.unhide(assetId);
    if (closed?.assetId === assetId && !taskInAddress()) go(closed.hash);
  },
});
const remove = (assetId, name) => deletions.remove(assetId, name);
const recent = new RecentList({ onProblem: showBanner, onDelete: remove });
const task = new TaskView({
  onChange: (taskId, progress) => recent.update(taskId, progress),
  onProblem: showBanner,
  onDelete: remove,
  onChooseAnother: chooseAnother,
  nameOf: (job) => recent.nameOf(job),
  onLoaded: (assetId) => { if (assetId && deletions.isDeleted(assetId)) closeTask(); },
});
const refusals = new Refusals({ onChooseAnother: chooseAnother });
const uploads = new Uploads({
  onAccepted: showAccepted,
  onRefused: (name, problem, tryAgain) => refusals.add(name, problem, tryAgain),
  onChange: showDropSize,
});

function taskInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("task") ?? "";
}

// Resolves when the video is shown.
function showAddressed({ isOpened = false } = {}) {
  const taskId = taskInAddress();
  showDropSize();
  recent.select(taskId);
  return task.show(taskId, isOpened);
}

// The shown video that was deleted, to be shown again if that is undone.
let closed = null;

function closeTask() {
  closed = { assetId: task.assetId, hash: location.hash };
  go("");
}

// Without an entry in the history, nor a jump to the top of the page.
function go(hash) {
  history.replaceState(null, "", hash || location.pathname + location.search);
  showAddressed({ isOpened: Boolean(hash) });
}

function showDropSize() {
  drop.classList.toggle("small", Boolean(taskInAddress()) || !uploads.isEmpty);
}

function showAccepted(taskId, preset) {
  // If this request fails, the video's own page offers the preview copy again.
  createProxy(taskId, preset).catch(showBanner).finally(() => recent.refresh());
  announce("Uploaded. Processing starts.");
  // While a video is being watched in progress, the page does not switch to the next one.
  if (task.isBusy) return;
  // It is shown where its upload was. No person has opened it, so it takes no focus from anything.
  history.pushState(null, "", `#task=${encodeURIComponent(taskId)}`);
  showAddressed();
}

const collection = wireUploadField(find("collection"));
const chosen = () => ({ ...withProfile(chosenIn(preset), profile.value), collection: collection() });

function takeChosen() {
  uploads.add(picker.files, chosen());
  picker.value = "";
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

function wireDropping() {
  let depth = 0;  // Entering a child leaves its parent, so count to know whether we are outside.
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle("over", depth > 0);
  };
  addEventListener("dragenter", (event) => { if (hasFiles(event)) mark(1); });
  addEventListener("dragleave", (event) => { if (hasFiles(event)) mark(-1); });
  addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    uploads.add(event.dataTransfer.files, chosen());
  });
}

picker.addEventListener("change", takeChosen);
addEventListener("hashchange", () => showAddressed({ isOpened: true }));
// A link to what is shown already changes no address.
addEventListener("click", ({ target }) => {
  const link = target.closest?.("a");
  if (link?.hash && link.href === location.href) showAddressed({ isOpened: true });
});
addEventListener("online", () => recent.refresh());
addEventListener("beforeunload", (event) => { if (uploads.isSending || hasUnsaved()) event.preventDefault(); });
wireDropping();
wirePresets(preset, find("preset-words"));
wireProfiles(profile, find("profile-words"));
takeChosen();  // Files may have been chosen before the scripts were loaded.
// The list is below the video, which would push it down if it came later.
recent.drawAfter(showAddressed());
recent.refresh();
deletions.refresh();
