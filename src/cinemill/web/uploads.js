// The queue of uploads and the current one.

import { announce, find, fromTemplate, setBar } from "./dom.js";
import { formatBytes, formatSeconds, roundTimeLeft } from "./format.js";
import { bringIntoView } from "./reveal.js";
import { Transfer } from "./transfer.js";

export class Uploads {
  #place = find("transfers");
  // One at a time, because parallel uploads only slow each other down.
  #waiting = [];
  #isSending = false;

  // onAccepted(taskId, preset), onRefused(name, problem, tryAgain), onChange()
  constructor(listeners) {
    Object.assign(this, listeners);
  }

  get isSending() {
    return this.#isSending;
  }

  get isEmpty() {
    return this.#place.childElementCount === 0;
  }

  add(files, preset) {
    for (const file of files) this.#enqueue(new Transfer(file, preset));
    // Files can be dropped wherever the page is scrolled to.
    if (!this.isEmpty) bringIntoView(this.#place);
    this.#sendNext();
  }

  #enqueue(transfer) {
    const card = fromTemplate("transfer-template").firstElementChild;
    const entry = { transfer, card };
    card.querySelector(".name").textContent = transfer.file.name;
    card.querySelector(".words").textContent = "Waiting for its turn";
    card.querySelector(".numbers").textContent = formatBytes(transfer.file.size);
    const stop = card.querySelector(".stop");
    stop.setAttribute("aria-label", `Cancel upload: ${transfer.file.name}`);
    stop.addEventListener("click", () => {
      transfer.abort();
      this.#remove(entry);
      find("files").focus();
    });
    transfer.onProgress = (progress) => showProgress(card, progress);
    this.#place.append(card);
    this.#waiting.push(entry);
    this.#show();
  }

  #remove(entry) {
    this.#waiting = this.#waiting.filter((one) => one !== entry);
    entry.card.remove();
    this.#show();
  }

  #show() {
    this.#place.hidden = this.isEmpty;
    this.onChange();
  }

  async #sendNext() {
    if (this.#isSending || this.#waiting.length === 0) return;
    this.#isSending = true;
    const entry = this.#waiting.shift();
    const { transfer } = entry;
    entry.card.classList.remove("waits");
    entry.card.querySelector(".words").textContent = "Uploading";
    announce(`Uploading ${transfer.file.name}`);
    try {
      const { id: taskId } = await transfer.send();
      this.onAccepted(taskId, transfer.preset);
    } catch (problem) {
      if (problem) this.#refuse(transfer, problem);
    }
    this.#remove(entry);
    this.#isSending = false;
    this.#sendNext();
  }

  #refuse(transfer, problem) {
    this.onRefused(transfer.file.name, problem, () => {
      // Same transfer, same key: if only the response was lost, the video is not stored twice.
      this.#enqueue(transfer);
      this.#sendNext();
    });
  }
}

function showProgress(card, { loaded, total, bytesPerSecond, secondsLeft }) {
  setBar(card.querySelector(".bar"), total ? (100 * loaded) / total : 0);
  const isSent = loaded >= total;
  card.querySelector(".words").textContent = isSent ? "Storing the video" : "Uploading";
  const numbers = [`${formatBytes(loaded)} of ${formatBytes(total)}`];
  if (bytesPerSecond && !isSent) numbers.push(`${formatBytes(bytesPerSecond)}/s`);
  if (secondsLeft != null && !isSent) numbers.push(`about ${formatSeconds(roundTimeLeft(secondsLeft))} left`);
  card.querySelector(".numbers").textContent = numbers.join(" · ");
}
