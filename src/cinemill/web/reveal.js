// Brings what a person has opened into view, and gives it the focus.

// Shows the top of this element, unless it is in the upper half of the window already. Browsers keep
// what is on the screen where it is if something appears above it, so that nothing would be seen.
export function bringIntoView(shown) {
  const { top } = shown.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) shown.scrollIntoView({ block: "start" });
}

export function isOutOfView(shown) {
  const { top, bottom } = shown.getBoundingClientRect();
  return bottom <= 0 || top >= innerHeight;
}

export function reveal(shown, focused) {
  focused.focus({ preventScroll: true });
  bringIntoView(shown);
}
