"""Why a file is refused: its codes, the sentence of each, and what people can do about it."""

from __future__ import annotations

from cinemill.errors import MediaRejected

REJECTION_CODES: dict[str, str] = {
    "media_empty": "The file is empty.",
    "media_unrecognized": "The file is not a video or audio in a supported format.",
    "media_unreadable": "The format of the file is known, but its contents cannot be read.",
    "media_out_of_memory": "Reading the file needs more memory than one command may use.",
    "media_still": "The file is a picture, not a video.",
    "media_no_video": "The file is sound alone: it has no picture.",
    "media_no_streams": "The file has neither picture nor sound.",
    "media_no_sound": "The video has no audio.",
    "media_truncated": "The file is truncated: its end is missing.",
    "media_damaged": "Parts of the file cannot be decoded.",
    "media_too_many_pixels": "The video's frame size exceeds the limit.",
    "media_too_long": "The duration exceeds the limit.",
    "media_too_many_streams": "The file has too many streams.",
    "media_too_many_channels": "The sound has more than 64 channels.",
    "media_codec_unsupported": "The codec is not supported.",
    "media_animated": "The file is an animated picture of a kind that is not supported.",
    "media_playlist": "The file is a playlist that refers to other files, not a video.",
}


REJECTION_HINTS: dict[str, str] = {
    "media_empty": (
        "Nothing of it was copied: check the file where it came from, then send it again."
    ),
    "media_unrecognized": (
        "Check that it is the right file. If it plays in a video player, convert it to MP4 or MKV."
    ),
    "media_unreadable": (
        "Copy it again from where it came from; if it does not play there either, no program can "
        "read it."
    ),
    "media_truncated": (
        "Probably not all of it arrived: compare its size with the original, and copy it again."
    ),
    "media_damaged": "Copy or export it again: other programs lose these parts, too.",
    "media_playlist": "Send the video that the playlist names.",
    "media_still": (
        "Send a video, or an animated GIF or PNG. To show a picture in a video, lay it over a clip "
        "of a render."
    ),
    "media_animated": "Convert it to MP4, WebM, GIF or animated PNG, and send that.",
    "media_too_many_channels": "Mix it to fewer channels, or split it into several tracks.",
    "media_no_video": "Choose a video for this. Sound can be played, transcribed and searched.",
}
"""What people can do about it; for other codes, what they can do about any video."""

OVERLAY_HINT = "Convert it to PNG, JPEG or WebP: these can be laid over a video."
"""For a picture of another kind that was to be an overlay."""


def reject_media(
    code: str, *, message: str = "", hint: str = "", log_tail: str = ""
) -> MediaRejected:
    """Return the rejection of a file with the sentence and the hint of its code, or with these."""
    return MediaRejected(
        message or REJECTION_CODES[code],
        code=code,
        hint=hint or REJECTION_HINTS.get(code),
        log_tail=log_tail,
    )
