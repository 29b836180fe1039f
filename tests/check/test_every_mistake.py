"""Mistakes of every kind planted at once: each is told, in one run, and nothing else."""

import json

import numpy as np
import pytest
from helpers.media_factory import cut_file, noisy, tone, write_media

from react24.project.load import inspect_project

HEADER = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\toffset_a\n"
ROWS = """
good\ttrain\tgood_a.mp4\tgood_b.mp4\tp1\tp2
cell\ttset\tgood_c.mp4\tgone.mp4\tp3\tp4\tsoon
link\ttrain\t../up.mp4\ttext.mp4\tp5\tp6
cut\ttrain\tcut.mp4\tempty.mp4\tp7\tp8
mute\ttrain\tmute.mp4\tgood_d.mp4\tp9\tp9
good\ttrain\tgood_e.mp4\tgood_a.mp4\tp1\tp10
torn\tval\tfolder\tonly.wav\tp1\tp11
many\ttrain\ta.mp4\tb.mp4\tp12\tp13\t\t\tmore
"""
TOLD_OF_THE_SHEET = {
    "row 3, column split: found 'tset'",
    "row 3, column offset_a: found 'soon'",
    "row 3, column video_b: videos/gone.mp4: no such file",
    "row 4, column video_a: found '../up.mp4', which may leave the corpus",
    "row 4, column video_b: videos/text.mp4: cannot be opened",
    "row 5, column video_a: videos/cut.mp4: cannot be opened because its index",
    "row 5, column video_b: videos/empty.mp4: the file is empty",
    "row 6, column video_a: videos/mute.mp4: no sound stream",
    "row 6, columns subject_a, subject_b: found 'p9' in both",
    "row 7, column session: found 'good', which row 2 has",
    "row 7, column video_b: found videos/good_a.mp4, the same file as row 2, column video_a",
    "row 8, column video_a: videos/folder: a folder",
    "row 8, column video_b: videos/only.wav: no video stream",
    "row 9: found 9 cells; accepted are 7",
    "subject p1 is in train and val",
}

CONFIG = {
    "sessions": "s.tsv",
    "sesions": "s.tsv",
    "seed": -1,
    "corpus": {"root": "videos", "name": "a/b"},
    "demo": {"enabled": True, "seed": "x"},
    "split": {"train": 0.5, "val": 0.2, "test": 0.2},
    "media": {"tolerate_damage": 1},
    "faces": {"max_gpa": 3, "max_missing": 2, "model": "mediapip"},
    "streams": {
        "graphau": {"backend": "blendshape", "focal": 0},
        "faceverse": {"backend": "blendshapes", "weights": "random"},
        "vggish": {"weights": "vgish", "enabled": False},
        "wav2vec2": {"window": 5, "overlap": 5, "weights": "cut.safetensors"},
        "swin": {"weights": "swin_fer"},
        "logmel": {"enabled": "on"},
        "mfcc": {"enabled": True},
        "mine": {"type": "gone.py"},
        "fails": {"type": "planted_fails.py"},
        "other": {"type": "planted_pitch.py"},
        "mfc": {},
    },
    "clips": {"min_valid": 1.5},
    "appropriate": {"source": "official", "matrix": "small.npy", "index": "index.csv", "k": 0},
    "baselines": ["GT", "Mimic"],
    "sampling": {"seeds": [1, 1], "samples": 0, "split": ["test"]},
    "metrics": {"space": "natve", "own": ["planted_fails.py", "gone_metric.py"]},
    "models": {
        "belfuson": {"checkpoint": "one.pth"},
        "regnn": {"preset": "quick"},
        "tranvae": {"settings": "gone.yaml"},
        "broken": {"settings": "broken.yaml"},
        "worse": {
            "settings": "belfusion",
            "variant": "new",
            "overrides": {
                "vae": {"epoch": 3, "hidden": "many"},
                "training": {"precision": "16-mixed", "gradient_clip": 1, "ema": 2},
            },
            "checkpoint": {"vae": "page.pth", "ldm": "gone.pth", "lmd": "old.pth"},
        },
        "own": {"settings": "own.yaml"},
        "number": 3,
    },
}
TOLD_OF_THE_CONFIGURATION = {
    "sesions: unknown key; did you mean sessions?",
    "seed: found -1",
    "corpus.name: found 'a/b'",
    "demo.seed: found 'x'",
    "demo.enabled: found true with corpus.root 'videos'",
    "split: found train 0.5, val 0.2, test 0.2, which add up to 0.9",
    "media.tolerate_damage: found 1",
    "faces.max_gpa: unknown key",
    "faces.max_missing: found 2",
    "faces.model: found 'mediapip'",
    "streams.graphau.backend: found 'blendshape'",
    "streams.graphau.focal: found 0",
    "streams.faceverse.weights: found 'random'",
    "streams.vggish.weights: found 'vgish'",
    "streams.vggish.enabled: found false, but models.regnn needs this stream",
    "streams.wav2vec2: found overlap 5 with window 5",
    "streams.wav2vec2.weights: found 'cut.safetensors'; it has 82 bytes; its header says 86",
    "streams.swin.weights: weights swin_fer: they cannot be fetched from here",
    "streams.logmel.enabled: found 'on'",
    "streams.mine.type: stream type",
    "streams.fails.type: stream type",
    "streams.other.type: found 'planted_pitch.py', which defines a stream called 'pitch'",
    "streams.mfc: unknown key",
    "clips.min_valid: found 1.5",
    "appropriate.matrix: small.npy has shape (2, 2), but index.csv has 3 lines",
    "appropriate.k: found 0",
    "baselines[1]: found 'Mimic'",
    "sampling.seeds: found [1, 1]",
    "sampling.samples: found 0",
    "metrics.space: found 'natve'",
    "metrics.own[0]: metric",
    "metrics.own[1]: metric gone_metric.py: no such file",
    "models.belfuson: no settings file config/models/belfuson.yaml",
    "models.belfuson.checkpoint: found 'one.pth'; no such file",
    "models.tranvae: no settings file gone.yaml",
    "models.broken: broken.yaml: not valid YAML",
    "models.worse.variant: found 'new'",
    "models.worse.overrides.vae.epoch: unknown key",
    "models.worse.overrides.vae.hidden: found 'many'",
    "gradient_clip does not go with precision 16-mixed",
    "models.worse.overrides.training.ema: found 2",
    "models.worse.checkpoint.vae: found 'page.pth'; this is a web page",
    "models.worse.checkpoint.ldm: found 'gone.pth'; no such file",
    "models.worse.checkpoint: file 'lmd' is unknown; did you mean ldm?",
    "models.own: own.yaml, key type: model type",
    "models.number: found 3",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    videos = folder / "videos"
    (videos / "folder").mkdir(parents=True)
    for name in ("good_a", "good_b", "good_c", "good_d", "good_e"):
        write_media(videos / f"{name}.mp4", picture=noisy, frames=3, sound=tone(0.2, 16000))
    write_media(videos / "cut.mp4", picture=noisy, frames=3, sound=tone(0.2, 16000))
    cut_file(videos / "cut.mp4", 0.5)
    write_media(videos / "mute.mp4", picture=noisy, frames=3)
    write_media(videos / "only.wav", sound=tone(0.2, 16000), sound_codec="pcm_s16le")
    (videos / "text.mp4").write_text("not a video at all")
    (videos / "empty.mp4").touch()
    (folder / "s.tsv").write_text(HEADER + ROWS.lstrip("\n"))
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    whole = len(header).to_bytes(8, "little") + header + bytes(16)
    (folder / "cut.safetensors").write_bytes(whole[:-4])
    (folder / "planted_fails.py").write_text("import what_there_is_not\n")
    (folder / "planted_pitch.py").write_text(PITCH)
    np.save(folder / "small.npy", np.zeros((2, 2)))
    (folder / "index.csv").write_text("site,chat_index,clip_index\nA,1,1\nA,1,2\nA,1,3\n")
    (folder / "broken.yaml").write_text("vae: [1\n")
    (folder / "own.yaml").write_text("type: planted_fails.py\n")
    (folder / "page.pth").write_bytes(b"<html>Sign in</html>")
    (folder / "old.pth").write_bytes(b"\x80\x02")
    return folder


PITCH = """
from react24.contracts.stream import Backend, Stream
STREAM = Stream("pitch", 1, {"one": Backend("sound", "planted_pitch:Pitch", "torch")}, "pitch")
"""


def pair(problems, words):
    """Each sentence must hold one of the words, and each of the words stand in one sentence."""
    missed = [word for word in words if sum(word in text for text in problems) != 1]
    strange = [text for text in problems if not any(word in text for word in words)]
    assert (missed, strange) == ([], []), "\n".join(problems)


def test_every_mistake_of_configuration_and_sheet_is_told_at_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    problems = inspect_project(CONFIG).problems
    pair(problems, TOLD_OF_THE_CONFIGURATION | TOLD_OF_THE_SHEET)


MINE = {"sessions": "t.tsv", "corpus": {"root": "videos"}, "demo": {"enabled": False}}
SHEET = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\n"


def problems_of(folder, rows, **config):
    (folder / "t.tsv").write_text(SHEET + rows)
    return inspect_project(MINE | config, check_files=False).problems


@pytest.mark.parametrize(
    ("rows", "config", "words"),
    [
        (  # a sheet is read although the folder of the corpus is not known
            "s\ttset\ta.mp4\tb.mp4\tp\tq\n",
            {"corpus": {"root": 3}},
            {"corpus.root: found 3", "found 'tset'"},
        ),
        (  # shares that do not add up still say which split stays empty
            "s\tauto\ta.mp4\tb.mp4\tp\tq\n",
            {"split": {"train": 1, "val": 1, "test": 0}},
            {"split: found train 1, val 1, test 0", "split test: no session is in it"},
        ),
        (
            "s\ttrain\ta.mp4\tb.mp4\tp\tq\nt\tval\tc.mp4\td.mp4\tp\tr\n",
            {"faces": {"max_gap": -1}},
            {"subject p is in train and val", "split test: no session", "faces.max_gap: found -1"},
        ),
        (  # a model that cannot be made is to be trained nonetheless
            "s\ttest\ta.mp4\tb.mp4\tp\tq\n",
            {"models": {"gone": {}}, "baselines": ["GT"]},
            {"models.gone: no settings file", "split train: no session is in it"},
        ),
        (  # which splits are needed, or in them, is not known here
            "s\ttrian\ta.mp4\tb.mp4\tp\tq\n",
            {"sampling": {"split": ["tset"]}},
            {"found 'trian'", "sampling.split[0]: found 'tset'"},
        ),
        (
            "s\ttrain\ta.mp4\tb.mp4\tp\tq\n",
            {"sampling": {"split": ["tset"]}, "split": {"train": -1}},
            {"split.train: found -1", "sampling.split[0]: found 'tset'"},
        ),
        (  # what goes together is not told of a key that is wrong by itself
            "s\ttest\ta.mp4\tb.mp4\tp\tq\nt\ttrain\tc.mp4\td.mp4\tr\tt\n",
            {"models": {"belfusion": {"overrides": {"training": {"keep_best": 3, "patience": 5}}}}},
            {"training.keep_best: found 3"},
        ),
        (
            "s\ttest\ta.mp4\tb.mp4\tp\tq\nt\ttrain\tc.mp4\td.mp4\tr\tt\n",
            {
                "appropriate": {"source": "official", "matrix": "index.csv", "index": "small.npy"},
                "streams": {"vggish": {"weights": "s.tsv"}, "wav2vec2": {"weights": "videos"}},
                "faces": {"model": "page.pth"},
            },
            {
                "appropriate.matrix: index.csv: not a plain NumPy array",
                "appropriate.index: small.npy",
                "streams.vggish.weights: found 's.tsv'; this is text, beginning with",
                "streams.wav2vec2.weights: found 'videos'; neither model.safetensors nor",
                "faces.model: found 'page.pth'; this is a web page",
            },
        ),
    ],
)
def test_one_mistake_hides_no_other_and_makes_none(folder, monkeypatch, rows, config, words):
    monkeypatch.chdir(folder)
    pair(problems_of(folder, rows, **config), words)
