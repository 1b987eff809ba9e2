// Renders into which a film's captions were burned: made again with what they say now. Pieces in
// which nothing changed are taken as they are.

import { getCaptions, listJobsOf, saveCaptions, submitJob } from "./api.js";
import { button, element } from "./dom.js";

export function offerRenders(assetId, { onMade, onProblem }) {
  const place = element("div", { className: "renders" });

  async function again(made, { params: { job } }, shown, heardPath) {
    made.disabled = true;
    try {
      const named = job.subtitles ? { subtitles: await namePath(shown, heardPath ?? job.subtitles) } : {};
      onMade((await submitJob("render_video", { job: { ...job, ...named } })).id);
    } catch (problem) {
      made.disabled = false;
      onProblem(problem);
    }
  }

  // Saving what is saved already changes nothing, and tells where a timeline finds it.
  async function namePath({ language, version, source }, heardPath) {
    if (source !== "person") return heardPath;
    const { captions } = await getCaptions(assetId, language);
    return (await saveCaptions(assetId, language, version, captions)).srt_path;
  }

  async function show(shown) {
    const [renders, heard] = await Promise.all([
      listJobsOf(assetId, "render_video"), listJobsOf(assetId, "caption"),
    ]);
    // Newest first, as the jobs are.
    const paths = heard.filter(({ result }) => result?.language === shown.language)
      .map(({ result }) => result.srt_path);
    const uses = ({ params: { job } }) =>
      job.captions === shown.language || isTheirFile(job.subtitles ?? "", shown.language, paths);
    const latest = renders.filter((one) => one.status === "completed").find(uses);
    place.replaceChildren(...(latest ? [
      element("p", { className: "quiet", textContent: "These captions are burned into a render. Render it again to apply later edits." }),
      button("Render again", (made) => again(made, latest, shown, paths[0])),
    ] : []));
  }

  // What a model's captions were called, or what an earlier correction was.
  const isTheirFile = (path, language, paths) => paths.includes(path)
    || (path.includes(`/captions-${assetId}-`) && path.endsWith(`.${language}.srt`));

  return { place, show: (shown) => show(shown).catch(onProblem) };
}
