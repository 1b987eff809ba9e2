"""Reasons for a verdict: stable codes, each with a sentence."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a verdict has its band. The codes are part of the public interface."""

    NO_MODEL = "no_model"
    FAILED = "analysis_failed"
    NO_FACES_FOUND = "no_faces_found"
    TOO_FEW_FACES = "too_few_faces"
    FACES_TOO_SMALL = "faces_too_small"
    FACES_BLURRED = "faces_blurred"
    FACES_TURNED_AWAY = "faces_turned_away"
    FACES_CUT_OFF = "faces_cut_off"
    FACES_UNUSABLE = "faces_unusable"
    """For a flaw that has no code of its own here."""
    MEMBER_MISSING = "member_missing"
    SCORES_UNUSABLE = "scores_unusable"
    NOT_CALIBRATED = "not_calibrated"
    CALIBRATED_FOR_OTHERS = "calibrated_for_others"
    CALIBRATED_FOR_OTHER_FRAMES = "calibrated_for_other_frames"
    TOO_MANY_FACES = "too_many_faces"
    MORE_FACES_THAN_CALIBRATED = "more_faces_than_calibrated"
    TOO_COMPRESSED = "too_compressed"
    FAR_FROM_TRAINING_DATA = "far_from_training_data"
    MEMBERS_DISAGREE = "members_disagree"
    BETWEEN_THRESHOLDS = "between_thresholds"
    UNLIKE_BOTH_CLASSES = "unlike_both_classes"
    CALIBRATION_TOO_SMALL = "calibration_too_small"
    SCORE_HIGH = "score_high"
    SCORE_LOW = "score_low"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


def find_face_reason(flaw: str) -> Reason:
    """Return the reason for a flaw of a face, as the quality check of faces names it."""
    return _FLAWS.get(flaw, Reason.FACES_UNUSABLE)


TOO_MANY_FACES = "too_many_faces"
"""The flaw of faces beyond the most that are examined in a frame."""
_FLAWS = {
    "face_too_small": Reason.FACES_TOO_SMALL,
    "face_blurred": Reason.FACES_BLURRED,
    "face_turned_away": Reason.FACES_TURNED_AWAY,
    "face_cut_off": Reason.FACES_CUT_OFF,
}

_SENTENCES = {
    Reason.NO_MODEL: "Install a trained detector.",
    Reason.FAILED: "The analysis ended with an error; its code and message are in the analysis.",
    Reason.NO_FACES_FOUND: "No frame that was examined shows a face.",
    Reason.TOO_FEW_FACES: "Too few frames show a face that can be examined.",
    Reason.FACES_TOO_SMALL: "Faces are too small to examine.",
    Reason.FACES_BLURRED: "Faces are too blurred to examine.",
    Reason.FACES_TURNED_AWAY: "Faces are turned too far away to examine.",
    Reason.FACES_CUT_OFF: "Faces are cut off by the edge of the picture.",
    Reason.FACES_UNUSABLE: "Faces were found that cannot be examined.",
    Reason.MEMBER_MISSING: (
        "A model of the ensemble is missing, and the error rates hold only for all of them."
    ),
    Reason.SCORES_UNUSABLE: "A model returned something that is not a number.",
    Reason.NOT_CALIBRATED: (
        "The detector has not been calibrated, so nobody knows how often its scores are wrong."
    ),
    Reason.CALIBRATED_FOR_OTHERS: (
        "The detector was calibrated with other heads or other weights than it runs with now."
    ),
    Reason.CALIBRATED_FOR_OTHER_FRAMES: (
        "The detector was calibrated with another number of frames of each video than this "
        "analysis looked at."
    ),
    Reason.TOO_MANY_FACES: (
        "A frame shows more faces than an analysis examines, so some were never looked at."
    ),
    Reason.MORE_FACES_THAN_CALIBRATED: (
        "The video shows more faces than any video of the calibration data, and each more face is "
        "one more chance of a high score by accident."
    ),
    Reason.TOO_COMPRESSED: (
        "The video is compressed more strongly than the calibration data, or nobody can say how "
        "strongly."
    ),
    Reason.FAR_FROM_TRAINING_DATA: "The faces look unlike those that the detector was trained on.",
    Reason.MEMBERS_DISAGREE: "The models of the ensemble contradict each other.",
    Reason.BETWEEN_THRESHOLDS: (
        "The score is one that both manipulated and unmanipulated videos have."
    ),
    Reason.UNLIKE_BOTH_CLASSES: (
        "The score is one that neither manipulated nor unmanipulated videos of the calibration "
        "data have."
    ),
    Reason.CALIBRATION_TOO_SMALL: (
        "There are too few calibration videos to support a decision at the nominal error rates."
    ),
    Reason.SCORE_HIGH: (
        "The score is higher than nearly all unmanipulated videos of the calibration data have."
    ),
    Reason.SCORE_LOW: (
        "The score is lower than nearly all manipulated videos of the calibration data have."
    ),
}
