// Wires the page: films chosen or dropped are uploaded, and the one in the address is shown.

import { announce, element, find, fromTemplate, setBar } from "./dom.js";
import { formatBytes, formatSeconds } from "./format.js";
import { RecentList } from "./recent.js";
import { buildError, TaskView } from "./task.js";
import { Transfer } from "./transfer.js";

const drop = find("drop");
const picker = find("files");
const transfers = find("transfers");
const banner = find("banner");

const recent = new RecentList({ onProblem: showBanner });
const task = new TaskView({
  onChange: (taskId, progress) => recent.update(taskId, progress),
  onChooseAnother: () => picker.click(),
  nameOf: (job) => recent.nameOf(job),
});

// One after the other: two uploads at once only slow each other down.
const waiting = [];
let isSending = false;

function showBanner(problem) {
  banner.hidden = !problem;
  banner.textContent = problem ? `${problem.message} ${problem.wayOn}` : "";
  if (problem?.status === 401) location.reload();
}

function taskInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("task") ?? "";
}

function showAddressed() {
  const taskId = taskInAddress();
  drop.classList.toggle("small", Boolean(taskId) || transfers.childElementCount > 0);
  recent.select(taskId);
  task.show(taskId);
}

function addFiles(files) {
  for (const file of files) waiting.push(addTransfer(file));
  picker.value = "";
  showTransfers();
  sendNext();
}

function addTransfer(file, transfer = new Transfer(file)) {
  const card = fromTemplate("transfer-template").firstElementChild;
  card.querySelector(".name").textContent = file.name;
  card.querySelector(".words").textContent = "Waiting for its turn";
  card.querySelector(".numbers").textContent = formatBytes(file.size);
  card.querySelector(".stop").addEventListener("click", () => {
    transfer.abort();
    removeTransfer(entry);
  });
  transfers.append(card);
  const entry = { transfer, card };
  transfer.onProgress = (progress) => showProgress(card, progress);
  return entry;
}

function removeTransfer(entry) {
  const at = waiting.indexOf(entry);
  if (at >= 0) waiting.splice(at, 1);
  entry.card.remove();
  showTransfers();
}

function showTransfers() {
  const count = transfers.childElementCount;
  transfers.hidden = count === 0;
  drop.classList.toggle("small", count > 0 || Boolean(taskInAddress()));
}

function showProgress(card, { loaded, total, bytesPerSecond, secondsLeft }) {
  setBar(card.querySelector(".bar"), total ? (100 * loaded) / total : 0);
  const isSent = loaded >= total;
  card.querySelector(".words").textContent = isSent ? "Storing the film" : "Uploading";
  const numbers = [`${formatBytes(loaded)} of ${formatBytes(total)}`];
  if (bytesPerSecond && !isSent) numbers.push(`${formatBytes(bytesPerSecond)}/s`);
  if (secondsLeft != null && !isSent) numbers.push(`${formatSeconds(secondsLeft)} left`);
  card.querySelector(".numbers").textContent = numbers.join(" · ");
}

async function sendNext() {
  if (isSending || waiting.length === 0) return;
  isSending = true;
  const entry = waiting.shift();
  announce(`Uploading ${entry.transfer.file.name}`);
  try {
    const { task_id: taskId } = await entry.transfer.send();
    removeTransfer(entry);
    onAccepted(taskId);
  } catch (problem) {
    if (problem) showUploadError(entry, problem);
  }
  isSending = false;
  sendNext();
}

function onAccepted(taskId) {
  recent.refresh();
  announce("Uploaded. Processing begins.");
  // Somebody who watches a film go through is not torn away from it by the next one.
  if (!task.isBusy) location.hash = `task=${encodeURIComponent(taskId)}`;
}

function showUploadError(entry, problem) {
  const again = () => {
    // The same transfer with the same key: if only the answer was lost, the film is not taken twice.
    const fresh = addTransfer(entry.transfer.file, entry.transfer);
    card.replaceWith(fresh.card);
    waiting.push(fresh);
    sendNext();
  };
  const another = () => {
    card.remove();
    showTransfers();
    picker.click();
  };
  const card = buildError({
    kicker: "This film could not be uploaded",
    name: entry.transfer.file.name,
    problem,
    actions: [["Try again", again], ["Choose another film", another]],
  });
  const dismiss = element("button", { type: "button", className: "button", textContent: "Dismiss" });
  dismiss.addEventListener("click", () => {
    card.remove();
    showTransfers();
  });
  card.querySelector(".actions").append(dismiss);
  entry.card.replaceWith(card);
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

function wireDropping() {
  let depth = 0;  // Entering a child leaves its parent: only the count tells whether we are outside.
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle("over", depth > 0);
  };
  addEventListener("dragenter", (event) => { if (carriesFiles(event)) mark(1); });
  addEventListener("dragleave", (event) => { if (carriesFiles(event)) mark(-1); });
  addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    addFiles(event.dataTransfer.files);
  });
}

find("choose").addEventListener("click", () => picker.click());
picker.addEventListener("change", () => addFiles(picker.files));
addEventListener("hashchange", showAddressed);
addEventListener("beforeunload", (event) => { if (isSending) event.preventDefault(); });
wireDropping();
showAddressed();
recent.refresh();
