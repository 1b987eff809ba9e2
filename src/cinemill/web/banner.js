// The message at the bottom of the page about requests that failed.

import { find } from "./dom.js";

// Shows a problem, or nothing for null.
export function showBanner(problem) {
  const banner = find("banner");
  banner.hidden = !problem;
  const words = problem?.isRetryable ? "This page keeps trying." : problem?.hint;
  banner.textContent = problem ? `${problem.message} ${words}` : "";
  if (problem?.status === 401) location.reload();
}
