// Captions as tracks of the player.

// Sorted by the browser's preferred languages.
export function sortByPreferredLanguage(captions) {
  const spoken = navigator.languages.map((tag) => tag.split("-")[0]);
  const place = ({ language }) => (spoken.indexOf(language.split("-")[0]) + spoken.length + 1) % (spoken.length + 1);
  return captions.toSorted((a, b) => place(a) - place(b));
}

// The address names the content, so a corrected file has another one.
export const trackOf = ({ language, files }) => ({ language, url: files.vtt.url });
