// Whether this browser plays a file: its container, its codecs with profile and level, and its size.

const prober = document.createElement("video");

export const canPlay = (type) => prober.canPlayType(type) !== "";

// Containers of originals by the name of their demuxer; what they hold decides what is in Matroska.
const CONTAINERS = {
  mov: () => "video/mp4",
  matroska: (codecs) => (codecs.every((name) => WEBM.test(name)) ? "video/webm" : "video/x-matroska"),
  ogg: () => "video/ogg",
};
const SOUNDS = {
  mov: "audio/mp4", matroska: "audio/webm", ogg: "audio/ogg", mp3: "audio/mpeg", aac: "audio/aac", wav: "audio/wav",
  flac: "audio/flac",
};
const IN_CONTAINERS = new Set(["mov", "matroska", "ogg"]);
const WEBM = /^(vp8|vp09|av01|opus|vorbis)/;
const AUDIO = {
  aac: "mp4a.40.2", mp3: "mp4a.69", mp3float: "mp4a.69", ac3: "ac-3", eac3: "ec-3", opus: "opus",
  libopus: "opus", vorbis: "vorbis", libvorbis: "vorbis", flac: "flac", alac: "alac",
};
const UNKNOWN = "unknown";
// Of videos that were probed before their profile was asked, and only where any decoder has it.
const EIGHT_BIT = /^yuvj?420p$/;
const USUAL = { h264: "avc1.640033", hevc: "hvc1.1.6.L153.B0", av1: "av01.0.12M.08", vp9: "vp09.00.41.08", vp8: "vp8" };

// The type of an original with its codecs, or null where no browser plays its container.
export function typeOfOriginal({ media }) {
  if (media?.video === null) return typeOfSound(media);
  const container = CONTAINERS[media?.format];
  if (!container || !media.video || media.video.index < 0) return null;
  const audio = media.audio.find(({ is_default: isDefault }) => isDefault) ?? media.audio[0];
  const codecs = [nameVideo(media.video), ...(audio ? [AUDIO[audio.codec] ?? UNKNOWN] : [])];
  return codecs.includes(UNKNOWN) ? null : `${container(codecs)}; codecs="${codecs.join(", ")}"`;
}

// Of sound alone. What is in the containers of one codec needs no name.
function typeOfSound({ format, audio }) {
  const type = SOUNDS[format];
  if (!type || !IN_CONTAINERS.has(format)) return type ?? null;
  const track = audio.find(({ is_default: isDefault }) => isDefault) ?? audio[0];
  const codec = AUDIO[track.codec];
  return codec ? `${type}; codecs="${codec}"` : null;
}

export function typeOfFile({ media_type: type, facts }) {
  const name = facts.codec ? nameVideo({ ...facts, pixel_format: facts.pixel_format ?? "yuv420p" }) : null;
  return name && name !== UNKNOWN ? `${type}; codecs="${name}"` : type;
}

function nameVideo({ codec, codec_name: name, pixel_format: pixels }) {
  return name || (EIGHT_BIT.test(pixels) && USUAL[codec]) || UNKNOWN;
}

// Whether the browser decodes an original of this size as fast as it is to be shown. Browsers that
// cannot say so are believed.
export async function isSmooth({ media }, type) {
  const { video, bitrate_bps: bitrate } = media;
  if (!video) return true;
  const [over, under = "1"] = String(video.fps).split("/");
  const configuration = {
    type: "file",
    video: {
      contentType: type.replace(/, [^,"]+"$/, '"'), // of the picture alone
      width: video.display_width,
      height: video.display_height,
      bitrate: Math.max(1, Math.round(bitrate)),
      framerate: Number(over) / Number(under) || 25,
    },
  };
  try {
    const { supported, smooth } = await navigator.mediaCapabilities.decodingInfo(configuration);
    return supported && smooth;
  } catch {
    return true;
  }
}
