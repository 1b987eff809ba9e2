// One upload, with XMLHttpRequest, because fetch reports no upload progress.

import { LOST, Problem, problemFrom, uploadAddress } from "./api.js";

const RATE_WINDOW_MS = 4000;

export class Transfer {
  // The same key for each attempt, so that a video is not stored twice if a response is lost.
  #key = makeKey();
  #request = null;
  #marks = [];

  constructor(file, preset) {
    this.file = file;
    this.preset = preset;
    this.onProgress = () => {};
  }

  send() {
    this.#marks = [];
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.#request = request;
      request.open("POST", uploadAddress);
      request.setRequestHeader("Idempotency-Key", this.#key);
      request.upload.addEventListener("progress", (event) => this.#report(event));
      request.addEventListener("load", () => {
        if (request.status === 201) resolve(JSON.parse(request.responseText));
        else reject(problemFrom(request.status, request.responseText));
      });
      request.addEventListener("error", () => reject(new Problem(LOST)));
      request.addEventListener("abort", () => reject(null));
      const form = new FormData();
      // Sent before the file, so that invalid parameters are rejected before the upload.
      form.append("kind", this.preset.kind);
      form.append("params", JSON.stringify(this.preset.params));
      if (this.preset.collection) form.append("collection", this.preset.collection);
      form.append("file", this.file);
      request.send(form);
    });
  }

  abort() {
    this.#request?.abort();
  }

  #report({ loaded, total }) {
    const now = performance.now();
    this.#marks.push({ now, loaded });
    while (this.#marks.length > 2 && now - this.#marks[0].now > RATE_WINDOW_MS) this.#marks.shift();
    const first = this.#marks[0];
    const seconds = (now - first.now) / 1000;
    const bytesPerSecond = seconds > 0.3 ? (loaded - first.loaded) / seconds : null;
    const secondsLeft = bytesPerSecond ? (total - loaded) / bytesPerSecond : null;
    this.onProgress({ loaded, total, bytesPerSecond, secondsLeft });
  }
}

function makeKey() {
  // randomUUID exists on secure origins only; getRandomValues exists everywhere.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
