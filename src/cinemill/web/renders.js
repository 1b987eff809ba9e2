// Offers to repeat renders with burned-in captions after the captions have changed. Unchanged pieces
// are reused.

import { getCaptions, getJob, listJobsOf, needsParams, saveCaptions, submitJob } from "./api.js";
import { button, element } from "./dom.js";

// Timelines that are too large for a list are read one by one, at most this many.
const MAX_LARGE_RENDERS = 10;

export function offerRenders(assetId, { onMade, onProblem }) {
  const place = element("div", { className: "renders" });
  // Counts what is shown, to drop responses that arrive after other captions have been chosen.
  let turn = 0;

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
    turn += 1;
    const ownTurn = turn;
    const [renders, captionJobs] = await Promise.all([
      listJobsOf(assetId, "render_video"), listJobsOf(assetId, "caption"),
    ]);
    // Newest first, like the jobs.
    const paths = captionJobs.filter(({ result }) => result?.language === shown.language)
      .map(({ result }) => result.srt_path);
    const uses = ({ params: { job } }) =>
      job.captions === shown.language || isCaptionFile(job.subtitles ?? "", shown.language, paths);
    const latest = await findRender(renders, uses);
    if (ownTurn !== turn) return;
    place.replaceChildren(...(latest ? [
      element("p", { className: "quiet", textContent: "These captions are burned into a render. Render it again to apply later edits." }),
      button("Render again", (made) => again(made, latest, shown, paths[0])),
    ] : []));
  }

  async function findRender(renders, uses) {
    let large = 0;
    for (const listed of renders.filter(({ status }) => status === "completed")) {
      large += needsParams(listed) ? 1 : 0;
      if (large > MAX_LARGE_RENDERS) return null;
      const render = needsParams(listed) ? await getJob(listed.id) : listed;
      if (render.params.job && uses(render)) return render;
    }
    return null;
  }

  // Whether the path is that of generated captions or of an earlier edit.
  const isCaptionFile = (path, language, paths) => paths.includes(path)
    || (path.includes(`/captions-${assetId}-`) && path.endsWith(`.${language}.srt`));

  return { place, show: (shown) => show(shown).catch(onProblem) };
}
