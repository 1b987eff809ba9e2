"""Readers of published data sets, on small trees with the layouts as they are published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cinemill.capabilities.detection.datasets.catalog import LICENCES, READERS, read_dataset
from cinemill.capabilities.detection.datasets.faceforensics import read_ffpp
from cinemill.capabilities.detection.datasets.leakage import find_leaks
from cinemill.capabilities.detection.datasets.own_folder import read_reals
from cinemill.capabilities.detection.datasets.records import (
    DatasetInvalid,
    DatasetListing,
    VideoRecord,
)
from cinemill.capabilities.detection.runs.video_lists import VideoChoice, list_videos


def plant(root: Path, *names: str) -> Path:
    """Create empty files of these names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def write_json(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")


def by_name(listing: DatasetListing) -> Mapping[str, VideoRecord]:
    return {f"{one.key.method}/{one.key.name}": one for one in listing.records}


@pytest.fixture
def ffpp(tmp_path: Path) -> Path:
    plant(
        tmp_path,
        "original_sequences/youtube/c23/videos/000.mp4",
        "original_sequences/youtube/c23/videos/003.mp4",
        "original_sequences/youtube/c40/videos/000.mp4",
        "original_sequences/actors/c23/videos/01__walking_outside.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "manipulated_sequences/Face2Face/c23/videos/000_003.mp4",
        "manipulated_sequences/Face2Face/c23/masks/000_003.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking_outside__YVGY8LOK.mp4",
    )
    for split, pairs in {"train": [["000", "003"]], "val": [], "test": []}.items():
        write_json(tmp_path / "splits" / f"{split}.json", pairs)
    return tmp_path


def test_ffpp_is_read_with_methods_people_and_splits(ffpp: Path) -> None:
    found = by_name(read_dataset("ffpp", ffpp))
    assert set(found) == {
        "real/youtube/000",
        "real/youtube/003",
        "real/actors/01__walking_outside",
        "Deepfakes/Deepfakes/000_003",
        "Face2Face/Face2Face/000_003",
        "DeepFakeDetection/DeepFakeDetection/01_02__walking_outside__YVGY8LOK",
    }
    fake = found["Deepfakes/Deepfakes/000_003"]
    assert fake.is_fake
    assert fake.identity == "ffpp:youtube:000"
    assert fake.identities == {"ffpp:youtube:000", "ffpp:youtube:003"}
    assert fake.source == found["real/youtube/000"].source
    assert fake.split == "train"


def test_ffpp_actors_share_the_footage_of_their_scene(ffpp: Path) -> None:
    found = by_name(read_dataset("ffpp", ffpp))
    fake = found["DeepFakeDetection/DeepFakeDetection/01_02__walking_outside__YVGY8LOK"]
    assert fake.source == found["real/actors/01__walking_outside"].source
    assert fake.identities == {"ffpp:actor:01", "ffpp:actor:02"}


def test_ffpp_of_another_compression_is_read_or_missed_by_name(ffpp: Path) -> None:
    assert [one.key.name for one in read_ffpp(ffpp, "c40").records] == ["youtube/000"]
    with pytest.raises(DatasetInvalid, match="no videos of compression raw; there is c23, c40"):
        read_ffpp(ffpp, "raw")


def test_ffpp_without_split_files_says_so(ffpp: Path) -> None:
    for path in (ffpp / "splits").iterdir():
        path.unlink()
    listing = read_dataset("ffpp", ffpp)
    assert {one.split for one in listing.records} == {""}
    assert "split is drawn by identity" in listing.notes[0]


def test_ffpp_fake_without_a_pair_in_its_name_is_rejected(ffpp: Path) -> None:
    plant(ffpp, "manipulated_sequences/Deepfakes/c23/videos/000.mp4")
    with pytest.raises(DatasetInvalid, match="does not name the footage and the face"):
        read_dataset("ffpp", ffpp)


def test_celebdf_is_read_with_people_and_the_published_test_list(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "Celeb-real/id0_0000.mp4",
        "Celeb-real/id1_0000.mp4",
        "YouTube-real/00170.mp4",
        "Celeb-synthesis/id0_id1_0000.mp4",
    )
    (tmp_path / "List_of_testing_videos.txt").write_text(
        "1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n", "utf-8"
    )
    found = by_name(read_dataset("celebdf", tmp_path))
    fake = found["Celeb-synthesis/Celeb-synthesis/id0_id1_0000"]
    assert fake.identity == "celebdf:id0"
    assert fake.identities == {"celebdf:id0", "celebdf:id1"}
    assert fake.source == found["real/Celeb-real/id0_0000"].source
    assert {name: one.split for name, one in found.items()} == {
        "real/Celeb-real/id0_0000": "train",
        "real/Celeb-real/id1_0000": "train",
        "real/YouTube-real/00170": "test",
        "Celeb-synthesis/Celeb-synthesis/id0_id1_0000": "test",
    }


def test_celebdf_is_read_with_the_folders_that_others_rename(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "Celeb-real/videos/id0_0000.mp4",
        "Youtube-real/videos/00170.mp4",
        "Celeb-synthesis/videos/id0_id1_0000.mp4",
    )
    assert len(read_dataset("celebdf", tmp_path).records) == 3


def test_dfdc_parts_are_read_and_missing_videos_counted(tmp_path: Path) -> None:
    write_json(
        tmp_path / "dfdc_train_part_0" / "metadata.json",
        {
            "aaa.mp4": {"label": "REAL", "split": "train", "original": None},
            "bbb.mp4": {"label": "FAKE", "split": "train", "original": "aaa.mp4"},
            "gone.mp4": {"label": "FAKE", "split": "train", "original": "aaa.mp4"},
        },
    )
    plant(tmp_path / "dfdc_train_part_0", "aaa.mp4", "bbb.mp4")
    listing = read_dataset("dfdc", tmp_path)
    found = by_name(listing)
    real, fake = found["real/dfdc_train_part_0/aaa"], found["fake/dfdc_train_part_0/bbb"]
    assert fake.source == real.source == fake.identity
    assert listing.skipped == {"named in the metadata, but not there": 1}


def test_dfdc_test_set_is_read_from_its_labels(tmp_path: Path) -> None:
    plant(tmp_path, "test/videos/x.mp4", "test/videos/y.mp4")
    (tmp_path / "test" / "labels.csv").write_text("filename,label\nx.mp4,0\ny.mp4,1\n", "utf-8")
    found = by_name(read_dataset("dfdc", tmp_path))
    assert {name: (one.is_fake, one.split) for name, one in found.items()} == {
        "real/test/x": (False, "test"),
        "fake/test/y": (True, "test"),
    }


def test_dfdc_preview_is_read_with_both_people(tmp_path: Path) -> None:
    real, fake = "original_videos/1788777/1788777_A_001.mp4", "method_A/1788777/1_2_A_001_0.mp4"
    plant(tmp_path, real, fake)
    write_json(
        tmp_path / "dataset.json",
        {
            real: {"label": "real", "set": "train", "target_id": 1788777, "swapped_id": None},
            fake: {
                "label": "fake",
                "set": "test",
                "target_id": 1788777,
                "swapped_id": 1224068,
                "source_video": "1788777_A",
                "augmentations": [],
            },
        },
    )
    found = by_name(read_dataset("dfdc-preview", tmp_path))
    swapped = found["method_A/method_A/1788777/1_2_A_001_0"]
    assert swapped.identities == {"dfdc-preview:1788777", "dfdc-preview:1224068"}
    assert swapped.source == found["real/original_videos/1788777/1788777_A_001"].source
    assert swapped.split == "test"


def test_df40_is_read_with_the_people_of_the_sets_under_it(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "simswap/ff/frames/000_003/000.png",
        "simswap/ff/frames/000_003/012.png",
        "simswap/cdf/frames/id0_id1_0000/000.png",
        "blendface/ff/000_003/000.png",
        "heygen/fake/frames/clip1/0.png",
        "heygen/real/frames/clip2/0.png",
    )
    found = by_name(read_dataset("df40", tmp_path))
    assert found["simswap/ff/000_003"].identities == {"ffpp:youtube:000", "ffpp:youtube:003"}
    assert found["simswap/cdf/id0_id1_0000"].source == "celebdf:Celeb-real/id0_0000"
    assert found["blendface/ff/000_003"].key != found["simswap/ff/000_003"].key
    assert found["heygen/fake/frames/clip1"].is_fake
    assert not found["heygen real/real/frames/clip2"].is_fake
    assert len(found) == 5


def test_df40_people_are_those_of_ffpp_and_celebdf(ffpp: Path, tmp_path: Path) -> None:
    plant(tmp_path / "df40", "simswap/ff/frames/000_003/000.png")
    fake = read_dataset("df40", tmp_path / "df40").records[0]
    real = by_name(read_dataset("ffpp", ffpp))["real/youtube/000"]
    assert (fake.identity, fake.source) == (real.identity, real.source)


def test_deepfake_eval_is_read_by_the_label_of_the_pictures(tmp_path: Path) -> None:
    plant(tmp_path, "video-data/a.mp4", "video-data/b.mp4", "video-data/c.mp4")
    (tmp_path / "video-metadata-publish.csv").write_text(
        "Filename,Video Ground Truth,Audio Ground Truth,Finetuning Set\n"
        "a.mp4,Fake,Real,Train\nb.mp4,Real,Fake,Test\nc.mp4,Unknown,Real,Test\nd.mp4,Fake,Fake,\n",
        "utf-8-sig",
    )
    listing = read_dataset("deepfake-eval", tmp_path)
    assert {name: one.split for name, one in by_name(listing).items()} == {
        "fake/a": "train",
        "real/b": "test",
    }
    assert sum(listing.skipped.values()) == 2


def test_own_folder_is_read_with_people_and_methods(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "real/anna/one.mp4",
        "real/anna/more/two.MOV",
        "real/alone.webm",
        "fake/swap/anna/one.mp4",
        "fake/plain.mp4",
        "fake/notes.txt",
        "real/.hidden.mp4",
    )
    listing = read_dataset("folder", tmp_path)
    found = by_name(listing)
    assert {name: one.identity for name, one in found.items()} == {
        "real/anna/one": "folder:anna",
        "real/anna/more/two": "folder:anna",
        "real/alone": "folder:alone",
        "swap/swap/anna/one": "folder:anna",
        "fake/plain": "folder:fake//plain",
    }
    assert listing.notes == (
        "1 real video lies in no person's folder: it counts as a person of its own, unless its "
        "frames look like another's.",
        "1 fake is named after nobody in the real videos. If the same people are in them, the "
        "figures are too good: name each after its real video, as in anna_swap.mp4, or put it in "
        "METHOD/PERSON/. Numbers and words such as 'clip' name nobody.",
    )


def test_own_fakes_are_of_the_real_people_that_they_are_named_after(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "real/anna/one.mp4",
        "real/anna/two.mp4",
        "real/bert/two.mp4",
        "real/000.mp4",
        "real/003.mp4",
        "real/Carl May.mp4",
        "fake/anna/by_folder.mp4",
        "fake/swap/anna/two-fake.mp4",
        "fake/swap/000_003.mp4",
        "fake/swap/deepfake.carl-may.mp4",
        "fake/one_swap.mp4",
        "fake/two_swap.mp4",
        "fake/annabel.mp4",
        "fake/swap/dora/anna.mp4",
    )
    for listing in (
        read_dataset("folder", tmp_path),
        list_videos(VideoChoice(tmp_path / "real", tmp_path / "fake"), "test"),
    ):
        fakes = {
            one.key.name: (
                one.identity.removeprefix("folder:"),
                sorted(one.removeprefix("folder:") for one in one.other_identities),
                one.source.removeprefix("folder:"),
            )
            for one in listing.records
            if one.is_fake
        }
        assert fakes == {
            "anna/by_folder": ("anna", [], ""),
            "swap/anna/two-fake": ("anna", [], ""),
            "swap/000_003": ("000", ["003"], "000"),
            "swap/deepfake.carl-may": ("Carl May", [], "Carl May"),
            "one_swap": ("anna", [], "anna/one"),
            "two_swap": ("fake//two_swap", [], ""),
            "annabel": ("fake//annabel", [], ""),
            "swap/dora/anna": ("dora", ["anna"], ""),
        }
        assert "2 fakes are named after nobody" in listing.notes[1]


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("video.mp4", "video_swap.mp4"),
        ("clip_01.mp4", "clip_01_fake.mp4"),
        ("Final Output.mp4", "final-output.mp4"),
        ("interview2.mp4", "interview2.mp4"),
        ("0001.mp4", "0001.mp4"),
        ("2024-05-01.mp4", "swap_2024-05-01.mp4"),
        ("VID_20240501_120000.mp4", "VID_20240501_120000.mp4"),
        ("01 May 2024.mp4", "01-may-2024.mp4"),
        ("1080p_h264.mp4", "1080p_h264.mp4"),
        ("h.264 1920x1080 30fps.mp4", "h.264 1920x1080 30fps.mp4"),
        ("videos/a1.mp4", "swap/videos/b1.mp4"),
        ("interviews/a1.mp4", "interviews/b1.mp4"),
        ("001/a1.mp4", "swap/001/b1.mp4"),
        ("2024-05-01/a1.mp4", "swap/2024-05-01/b1.mp4"),
        ("anna/video.mp4", "video_swap.mp4"),
    ],
)
def test_names_that_name_nobody_tie_nobody(real: str, fake: str, tmp_path: Path) -> None:
    plant(tmp_path, f"real/{real}", f"fake/{fake}")
    records = read_dataset("folder", tmp_path).records
    ours, theirs = (
        {
            name
            for one in records
            if one.is_fake is is_fake
            for name in (*one.identities, one.source)
        }
        for is_fake in (False, True)
    )
    assert not ours & theirs


@pytest.mark.parametrize(
    ("real", "fake", "person"),
    [
        ("obama_01.mp4", "obama_swapped.mp4", "obama_01"),
        ("Interview with Carl May.mp4", "carl_may_final.mp4", "Interview with Carl May"),
        ("anna/clip.mp4", "swap/anna/output.mp4", "anna"),
        ("videos/anna/clip.mp4", "swap/videos/anna/output.mp4", "anna"),
        ("person_12/clip.mp4", "swap/person_12/output.mp4", "person_12"),
        ("id0.mp4", "id0_swap.mp4", "id0"),
        ("may_01.mp4", "swap_may.mp4", "may_01"),
    ],
)
def test_names_of_persons_tie_whatever_words_are_next_to_them(
    real: str, fake: str, person: str, tmp_path: Path
) -> None:
    plant(tmp_path, f"real/{real}", f"fake/{fake}")
    records = read_dataset("folder", tmp_path).records
    assert [one.identities for one in records] == [{f"folder:{person}"}] * 2


def test_fake_of_a_person_with_several_videos_is_of_all_of_them(tmp_path: Path) -> None:
    plant(tmp_path, "real/obama_01.mp4", "real/obama_02.mp4", "fake/obama_swap.mp4")
    plant(tmp_path, "fake/obama_02_swap.mp4")
    found = by_name(read_dataset("folder", tmp_path))
    assert found["fake/obama_swap"].identities == {"folder:obama_01", "folder:obama_02"}
    assert found["fake/obama_02_swap"].identities == {"folder:obama_02"}


def test_folders_of_anything_are_no_persons_and_numbered_folders_are(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "real/videos/a1.mp4",
        "real/videos/b1.mp4",
        "real/2024-05-01/c1.mp4",
        "real/0017/d1.mp4",
        "real/0017/e1.mp4",
        "fake/swap/clips/f1.mp4",
        "fake/swap/clips/g1.mp4",
    )
    listing = read_dataset("folder", tmp_path)
    assert len({one.identity for one in listing.records if not one.is_fake}) == 4
    assert len({one.identity for one in listing.records if one.is_fake}) == 2
    assert listing.notes[0].startswith("3 real videos lie in no person's folder: each counts")


def test_own_fakes_of_trained_people_are_leaks(tmp_path: Path) -> None:
    plant(tmp_path, "real/anna.mp4", "real/bert.mp4", "fake/anna_swap.mp4", "fake/other.mp4")
    records = read_dataset("folder", tmp_path).records
    train = [one for one in records if not one.is_fake]
    leaks = find_leaks(train, [one for one in records if one.is_fake])
    assert [(leak.kind.value, leak.test.name) for leak in leaks] == [
        ("identity", "anna_swap"),
        ("source", "anna_swap"),
    ]


def test_folder_of_numbered_images_is_one_video(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "anna/frame_0001.png",
        "anna/frame_0002.png",
        "bert/portrait.jpg",
        "bert/second.jpg",
    )
    assert [one.key.name for one in read_reals(tmp_path).records] == [
        "anna",
        "bert/portrait",
        "bert/second",
    ]


@pytest.mark.parametrize("name", [*READERS])
def test_empty_or_missing_folder_is_rejected(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid):
        read_dataset(name, tmp_path)
    with pytest.raises(DatasetInvalid, match="no folder"):
        read_dataset(name, tmp_path / "missing")


def test_unknown_data_set_is_rejected_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match="ffpp, celebdf, dfdc"):
        read_dataset("faceswap", tmp_path)


@pytest.mark.parametrize("name", ["../secret.mp4", "/etc/passwd", "a/../../b.mp4", "..\\b.mp4"])
def test_metadata_cannot_name_files_outside(name: str, tmp_path: Path) -> None:
    write_json(tmp_path / "part" / "metadata.json", {name: {"label": "REAL"}})
    with pytest.raises(DatasetInvalid, match="names a file outside"):
        read_dataset("dfdc", tmp_path)


def test_links_out_of_the_data_set_are_not_followed(tmp_path: Path) -> None:
    plant(tmp_path / "elsewhere", "secret.mp4")
    plant(tmp_path / "set", "real/anna/one.mp4")
    (tmp_path / "set" / "real" / "bert").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "real" / "link.mp4").symlink_to(tmp_path / "elsewhere" / "secret.mp4")
    (tmp_path / "set" / "real" / "same.mp4").symlink_to(tmp_path / "set/real/anna/one.mp4")
    names = [one.key.name for one in read_dataset("folder", tmp_path / "set").records]
    assert names == ["anna/one", "same"]


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", "{", '{"a.mp4": 3}', "[" * 100_000, '{"a.mp4": {"label": "PERHAPS"}}', "\xff"],
)
def test_damaged_metadata_is_rejected(text: str, tmp_path: Path) -> None:
    plant(tmp_path, "part/a.mp4")
    (tmp_path / "part" / "metadata.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetInvalid):
        read_dataset("dfdc", tmp_path)


def test_each_data_set_has_a_licence_statement() -> None:
    assert set(LICENCES) == set(READERS)
    assert all(LICENCES[name] for name in READERS if name != "folder")
