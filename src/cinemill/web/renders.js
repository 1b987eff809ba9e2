// Renders into which a film's captions were burned: made again with what they say now. Pieces in
// which nothing changed are taken as they are.

import { listJobsOf, saveCaptions, getCaptions, submitJob } from "./api.js";
import { button, element } from "./dom.js";

export function offerRenders(assetId, { onMade, onProblem }) {
  const place = element("div", { className: "renders" });

  async function again(made, { params: { job } }, { language, version }) {
    made.disabled = true;
    try {
      const subtitles = typeof job.subtitles === "string" ? await nameFile(language, version) : job.subtitles;
      onMade((await submitJob("render_video", { job: { ...job, subtitles } })).id);
    } catch (problem) {
      made.disabled = false;
      onProblem(problem);
    }
  }

  // Saving what is saved already changes nothing, and tells where a timeline finds it.
  async function nameFile(language, version) {
    const { captions } = await getCaptions(assetId, language);
    return (await saveCaptions(assetId, language, version, captions)).srt_path;
  }

  async function show(shown) {
    const [renders, heard] = await Promise.all([
      listJobsOf(assetId, "render_video"), listJobsOf(assetId, "caption"),
    ]);
    const paths = new Set(heard.filter(({ result }) => result?.language === shown.language)
      .map(({ result }) => result.srt_path));
    const uses = ({ params: { job } }) => isMadeFrom(job.subtitles, shown.language, paths);
    const latest = renders.filter((one) => one.status === "completed").find(uses);
    place.replaceChildren(...(latest ? [
      element("p", { className: "quiet", textContent: "These captions were burned into a render." }),
      button("Render again", (made) => again(made, latest, shown)),
    ] : []));
  }

  function isMadeFrom(subtitles, language, paths) {
    if (typeof subtitles !== "string") return Boolean(subtitles) && subtitles.language === language;
    return paths.has(subtitles) || (subtitles.includes(`/captions-${assetId}-`) && subtitles.endsWith(`.${language}.srt`));
  }

  return { place, show: (shown) => show(shown).catch(onProblem) };
}
