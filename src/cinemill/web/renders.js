// Offers to repeat renders with burned-in captions after the captions have changed. Unchanged pieces
// are reused.

import { getCaptions, listJobsOf, saveCaptions, submitJob } from "./api.js";
import { button, element } from "./dom.js";

export function offerRenders(assetId, { onMade, onProblem }) {
  const place = element("div", { className: "renders" });

  async function again(made, { params: { job } }, shown, generatedPath) {
    made.disabled = true;
    try {
      const named = job.subtitles ? { subtitles: await namePath(shown, generatedPath ?? job.subtitles) } : {};
      onMade((await submitJob("render_video", { job: { ...job, ...named } })).id);
    } catch (problem) {
      made.disabled = false;
      onProblem(problem);
    }
  }

  // Saving the stored captions changes nothing, but returns the path for timelines.
  async function namePath({ language, version, source }, generatedPath) {
    if (source !== "person") return generatedPath;
    const { captions } = await getCaptions(assetId, language);
    return (await saveCaptions(assetId, language, version, captions)).srt_path;
  }

  async function show(shown) {
    const [renders, captionJobs] = await Promise.all([
      listJobsOf(assetId, "render_video"), listJobsOf(assetId, "caption"),
    ]);
    // Newest first, like the jobs.
    const paths = captionJobs.filter(({ result }) => result?.language === shown.language)
      .map(({ result }) => result.srt_path);
    const uses = ({ params: { job } }) =>
      job.captions === shown.language || isCaptionFile(job.subtitles ?? "", shown.language, paths);
    const latest = renders.filter((one) => one.status === "completed").find(uses);
    place.replaceChildren(...(latest ? [
      element("p", { className: "quiet", textContent: "These captions are burned into a render. Render it again to apply later edits." }),
      button("Render again", (made) => again(made, latest, shown, paths[0])),
    ] : []));
  }

  // Whether the path is that of generated captions or of an earlier edit.
  const isCaptionFile = (path, language, paths) => paths.includes(path)
    || (path.includes(`/captions-${assetId}-`) && path.endsWith(`.${language}.srt`));

  return { place, show: (shown) => show(shown).catch(onProblem) };
}
