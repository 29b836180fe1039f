"""The picture as a player shows it."""

import struct
from fractions import Fraction
from types import SimpleNamespace

import av
import h5py
import numpy as np
import pytest
from helpers.media_factory import numbered, read_number, remux, tone, write_media

from react24.errors import InputError, InputErrors
from react24.files.notices import read_notices
from react24.media import survey
from react24.media.picture import (
    Framing,
    Orientation,
    Screen,
    read_framing,
    read_orientation,
    shown_size,
)
from react24.media.probe import RoleMedia, probe_session
from react24.media.survey import picture_notices, survey_pictures
from react24.media.video import read_frames
from react24.media.video_scan import scan_video
from react24.project.choices import DEFAULT, Choices

WIDTHS = range(160, 1922, 2)


def corners(width, height):
    """A picture whose four quarters differ: top left red, top right green, blue, white."""
    picture = np.zeros((height, width, 3), np.uint8)
    top, left = np.arange(height) < height // 2, np.arange(width) < width // 2
    for rows, columns, colour in (
        (top, left, (220, 20, 20)),
        (top, ~left, (20, 220, 20)),
        (~top, left, (20, 20, 220)),
        (~top, ~left, (220, 220, 220)),
    ):
        picture[np.ix_(rows, columns)] = colour
    return picture


def names(picture):
    """Which quarter of ``corners`` is seen top left, top right, bottom left, bottom right."""
    height, width = picture.shape[:2]
    found = ""
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            red, green, blue = picture[y, x].astype(int) > 120
            found += {(1, 0, 0): "R", (0, 1, 0): "G", (0, 0, 1): "B", (1, 1, 1): "W"}.get(
                (red, green, blue), "?"
            )
    return found


def coded(picture, codec, pix_fmt):
    """The frame that a decoder makes of one encoded picture."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = pix_fmt, Fraction(1, 25), 1
    if codec == "libx264":
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "10"}
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    high_definition = encoder.width >= 1280  # where players take the matrix of BT.709
    if pix_fmt.startswith("yuv"):
        matrix = "ITU709" if high_definition else "ITU601"
        frame = frame.reformat(format=pix_fmt, dst_colorspace=matrix)
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoder = av.CodecContext.create({"libx264": "h264"}.get(codec, codec), "r")
    decoder.extradata, decoder.thread_count = encoder.extradata, 1
    decoder.height, decoder.width, decoder.pix_fmt = *picture.shape[:2], pix_fmt
    frames = [f for packet in packets for f in decoder.decode(packet)] + decoder.decode(None)
    return frames[0]


def show(frame, framing=None, **settings):
    framing = framing or Framing()
    return Screen(framing, shown_size(frame, framing), **settings).show(frame)


def _check_width(width, codec, pix_fmt, height=16, tolerance=12):
    stored = corners(width, height)
    seen = show(coded(stored, codec, pix_fmt))
    assert seen.shape == (height, width, 3)
    assert seen.flags.c_contiguous
    assert not seen.flags.writeable
    away = np.abs(seen.astype(int) - stored)
    away[:, width // 2 - 4 : width // 2 + 4] = 0  # chroma runs over the borders of the quarters
    away[height // 2 - 3 : height // 2 + 3] = 0
    assert away.max() <= tolerance, width


@pytest.mark.parametrize("begin", range(160, 1922, 80))
@pytest.mark.parametrize(("codec", "pix_fmt"), [("libx264", "yuv420p"), ("ffv1", "yuv422p")])
def test_every_even_width_is_whole_and_contiguous(codec, pix_fmt, begin):
    for width in range(begin, min(begin + 80, WIDTHS.stop), 2):
        _check_width(width, codec, pix_fmt)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "bgr0", "gray16le"])
@pytest.mark.parametrize(("width", "height"), [(161, 16), (853, 17), (1079, 31), (1365, 16)])
def test_odd_sizes_where_a_codec_has_them(width, height, pix_fmt):
    if pix_fmt == "gray16le":
        picture = np.repeat(np.linspace(10, 240, width), 3).reshape(1, width, 3)
        picture = np.repeat(picture, height, axis=0).astype(np.uint8)
        seen = show(coded(picture, "ffv1", pix_fmt))
        assert seen.flags.c_contiguous
        assert np.abs(seen.astype(int) - picture).max() <= 3
    else:
        _check_width(width, "ffv1", pix_fmt, height)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p10le", "bgr24", "yuyv422"])
def test_black_and_white_come_out_full(pix_fmt):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, 32:] = 255
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
    for framing in (Framing(), Framing(Fraction(3, 2))):
        seen = show(frame, framing)
        assert seen[:, :20].max() <= 2
        assert seen[:, -20:].min() >= 253


def test_high_definition_without_a_matrix_is_taken_for_709():
    frame = av.VideoFrame.from_ndarray(np.full((720, 1280, 3), (200, 30, 30), np.uint8), "rgb24")
    stored = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
    stored.colorspace = 2  # unspecified
    assert np.abs(show(stored)[360, 640].astype(int) - (200, 30, 30)).max() <= 3


# The display matrix


def _with_matrix(path, matrix):
    """Patch the matrix of the first track of an MP4 file, the pictures."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(v * (1 << 16)) for v in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def _first(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        framing = read_framing(stream)
    return frame, framing


def _one_picture(path, picture, **settings):
    return write_media(path, picture=lambda _: picture, frames=3, **settings)


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((1, 0, 0, 1), "RGBW"),
        ((0, 1, -1, 0), "BRWG"),  # a quarter turn clockwise
        ((-1, 0, 0, -1), "WBGR"),
        ((0, -1, 1, 0), "GWRB"),
        ((-1, 0, 0, 1), "GRWB"),  # mirrored
        ((1, 0, 0, -1), "BWRG"),
        ((0, 1, 1, 0), "RBGW"),
        ((0, -1, -1, 0), "WGBR"),
    ],
)
def test_all_eight_orientations(tmp_path, matrix, seen):
    path = _with_matrix(_one_picture(tmp_path / "v.mp4", corners(96, 64)), matrix)
    frame, framing = _first(path)
    picture = show(frame, framing)
    assert picture.shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
    assert names(picture) == seen
    assert read_orientation(frame).error == 0
    assert picture.flags.c_contiguous


@pytest.mark.parametrize(("angle", "turns"), [(4, "RGBW"), (100, "BRWG"), (-97, "GWRB")])
def test_another_angle_takes_the_nearest_quarter_turn(tmp_path, angle, turns):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    path = _with_matrix(_one_picture(tmp_path / "v.mp4", corners(96, 64)), (cos, sin, -sin, cos))
    frame, framing = _first(path)
    assert names(show(frame, framing)) == turns
    off = abs(angle) - 90 if abs(angle) > 45 else abs(angle)
    assert read_orientation(frame).error == pytest.approx(off, abs=0.1)


def test_a_matrix_that_flattens_the_picture_is_passed_over():
    flat = SimpleNamespace(side_data={"DISPLAYMATRIX": struct.pack("=9i", *[0] * 8, 1 << 30)})
    assert read_orientation(flat) == Orientation()


# The pixels' shape and hidden margins


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Fraction(64, 45), (1024, 576)), (Fraction(16, 15), (768, 576)), (Fraction(8, 9), (720, 648))],
)
def test_pixels_become_square_and_nothing_is_lost(aspect, size):
    frame = coded(corners(720, 576), "libx264", "yuv420p")
    picture = show(frame, Framing(aspect))
    assert picture.shape == (size[1], size[0], 3)
    assert names(picture) == "RGBW"
    # The border between the quarters stays in the middle, sharp.
    row = picture[size[1] // 4].astype(int)
    assert row[size[0] // 2 - 6, 0] > 180 > 60 > row[size[0] // 2 + 6, 0]


def test_the_container_says_the_shape_of_pixels(tmp_path):
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners(96, 64), "rgb24")))
        container.mux(stream.encode(None))
    frame, framing = _first(path)
    assert framing.aspect == 2
    assert shown_size(frame, framing) == (192, 64)


def test_pixels_are_squared_before_the_turn(tmp_path):
    path = _with_matrix(_one_picture(tmp_path / "v.mp4", corners(96, 64)), (0, 1, -1, 0))
    frame, _ = _first(path)
    picture = show(frame, Framing(Fraction(3, 2)))
    assert picture.shape == (144, 64, 3)
    assert names(picture) == "BRWG"


def _insert_box(path, box):
    """Add a box to the sample description of an MP4 file's pictures (the file's last box)."""
    data = bytearray(path.read_bytes())
    place = data.index(b"avc1", data.index(b"stsd")) - 4
    end = place + int.from_bytes(data[place : place + 4], "big")
    data[end:end] = box
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        begin = data.index(kind, data.index(b"moov")) - 4
        size = int.from_bytes(data[begin : begin + 4], "big") + len(box)
        data[begin : begin + 4] = size.to_bytes(4, "big")
    path.write_bytes(data)
    return path


def test_a_clean_aperture_hides_margins(tmp_path):
    """MP4's ``clap``: 60x40 of 96x64, 4 right and 2 below the middle."""
    path = _one_picture(tmp_path / "v.mp4", corners(96, 64))
    numbers = struct.pack(">8i", 60, 1, 40, 1, 4, 1, 2, 1)
    frame, framing = _first(_insert_box(path, struct.pack(">I4s", 40, b"clap") + numbers))
    assert framing.margins == (22, 14, 14, 10)
    picture = show(frame, framing)
    assert picture.shape == (40, 60, 3)
    whole = show(frame)
    np.testing.assert_array_equal(picture[:18, :25], whole[14:32, 22:47])


def test_margins_that_leave_nothing_are_passed_over():
    frame = coded(corners(96, 64), "libx264", "yuv420p")
    assert shown_size(frame, Framing(margins=(50, 50, 0, 0))) == (96, 64)


# The part that the sheet asks for, and sizes that change


def test_the_part_is_taken_from_the_picture_as_shown():
    frame = coded(corners(200, 100), "libx264", "yuv420p")
    framing = Framing(Fraction(2))
    part = show(frame, framing, crop=(200, 0, 151, 33))
    assert part.shape == (33, 151, 3)
    assert part.flags.c_contiguous
    np.testing.assert_array_equal(part, show(frame, framing)[:33, 200:351])


def test_frames_of_another_size_are_fitted_in():
    screen = Screen(Framing(), (64, 64))
    same_shape = screen.show(coded(corners(128, 128), "libx264", "yuv420p"))
    assert same_shape.shape == (64, 64, 3)
    assert names(same_shape) == "RGBW"
    wide = screen.show(coded(corners(128, 64), "libx264", "yuv420p"))
    assert wide.shape == (64, 64, 3)
    assert wide[:14].max() <= 2  # a bar of 16 rows above and below
    assert wide[-14:].max() <= 2
    assert names(wide[16:-16]) == "RGBW"


def _changing(path, sizes, seconds=1):
    """A recording whose picture size changes on the way, as those of WebRTC do."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = sizes[0], sizes[0], "yuv420p"
        audio = container.add_stream("libopus", rate=48000, layout="mono")
        for part, size in enumerate(sizes):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt = size, size, "yuv420p"
            encoder.time_base = Fraction(1, 25)
            encoder.options = {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8"}
            pictures = range(25 * seconds * part, 25 * seconds * (part + 1))
            frames = [av.VideoFrame.from_ndarray(numbered(i, size), "rgb24") for i in pictures]
            for number, frame in zip(pictures, frames, strict=True):
                frame.pts = number
            for frame in (*frames, None):
                for packet in encoder.encode(frame):
                    packet.stream, packet.time_base = stream, Fraction(1, 25)
                    container.mux(packet)
        samples = tone(len(sizes) * seconds, 48000)
        for begin in range(0, samples.shape[1] - 959, 960):
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, begin : begin + 960]), "flt", "mono"
            )
            block.sample_rate, block.pts = 48000, begin
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def _probe(folder, a, b, choices=DEFAULT, others=DEFAULT):
    media = folder / "media.h5"
    roles = {
        "a": RoleMedia(a, None, "ann", "expert", choices),
        "b": RoleMedia(b, None, "bob", "novice", others),
    }
    probe_session(media, session="s1", roles=roles, tolerate_damage=False)
    return media


def test_a_size_that_changes_on_the_way_is_told_and_evened_out(tmp_path):
    changing = _changing(tmp_path / "c.webm", [64, 128, 64])
    still = write_media(tmp_path / "s.mp4", frames=75, sound=tone(3, 16000))
    media = _probe(tmp_path, changing, still)
    (notice,) = read_notices(media)
    assert (notice.kind, notice.role, notice.start) == ("picture.size", "a", 1.0)
    assert "64x64 from second 0.00, 128x128 from second 1.00, 64x64 from second 2.00" in (
        notice.message
    )
    pictures = [picture for _, picture in read_frames(media, "a")]
    assert {picture.shape for picture in pictures} == {(64, 64, 3)}
    assert [read_number(p) for p in pictures] == list(range(75))


def test_a_change_after_the_start_is_told_with_its_second(tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "WHOLE", Fraction(1, 2))
    monkeypatch.setattr(survey, "KEY_STEP", Fraction(19, 10))
    seen = survey.survey_pictures(_changing(tmp_path / "c.webm", [64, 64, 128]))
    assert [(float(second), size) for second, size in seen.sizes] == [
        (0.0, (64, 64)),
        (2.0, (128, 128)),
    ]


def test_the_size_that_lasts_is_taken(tmp_path):
    """Calls begin small and grow."""
    growing = _changing(tmp_path / "c.webm", [64, 128, 128])
    still = write_media(tmp_path / "s.mp4", frames=75, sound=tone(3, 16000))
    with h5py.File(_probe(tmp_path, growing, still)) as file:
        assert (file["a"].attrs["width"], file["a"].attrs["height"]) == (128, 128)


def test_both_roles_may_take_their_part_of_one_video(tmp_path):
    both = _one_picture(tmp_path / "v.mp4", corners(96, 64), sound=tone(0.12, 16000))
    left, right = Choices(crop=(0, 0, 48, 64)), Choices(crop=(48, 0, 47, 60))
    media = _probe(tmp_path, both, both, left, right)
    with h5py.File(media) as file:
        assert (file["b"].attrs["width"], file["b"].attrs["height"]) == (47, 60)
        assert file["b"].attrs["picture_width"] == 96
    assert names(next(read_frames(media, "a"))[1]) == "RRBB"
    assert names(next(read_frames(media, "b"))[1]) == "GGWW"


@pytest.mark.parametrize("crop", [(0, 0, 97, 64), (60, 0, 40, 64), (0, 64, 10, 1)])
def test_a_part_outside_is_refused(tmp_path, crop):
    video = _one_picture(tmp_path / "v.mp4", corners(96, 64), sound=tone(0.12, 16000))
    with pytest.raises(InputErrors, match=r"v\.mp4 \(role a\): crop .* 96x64 .* correct crop_a"):
        _probe(tmp_path, video, video, Choices(crop=crop))


def test_an_odd_turn_is_told(tmp_path):
    cos, sin = np.cos(np.radians(20)), np.sin(np.radians(20))
    video = _one_picture(tmp_path / "v.mp4", corners(96, 64), sound=tone(0.12, 16000))
    turned = _with_matrix(video, (cos, sin, -sin, cos))
    other = _one_picture(tmp_path / "w.mp4", corners(96, 64), sound=tone(0.12, 16000))
    (notice,) = read_notices(_probe(tmp_path, turned, other))
    assert (notice.kind, notice.role) == ("picture.turn", "a")
    assert "20 degrees" in notice.message


def test_crop_error_is_an_input_error():
    with pytest.raises(InputError, match=r"0,0,10,11 .* 10x10"):
        Screen(Framing(), (10, 10), (0, 0, 10, 11))


def test_a_word_where_a_file_has_several_videos(tmp_path):
    """A camera and a screen as streams of one file; a preview of one picture is no choice."""
    files = [
        write_media(
            tmp_path / f"{size}.mkv",
            picture=lambda i, size=size: corners(size, size),
            frames=frames,
            b_frames=0,
        )
        for size, frames in ((64, 25), (128, 25), (96, 1))
    ]
    both = remux(tmp_path / "both.mkv", [(files[0], "video"), (files[1], "video")])
    survey = survey_pictures(both)
    (notice,) = picture_notices(both, "a", survey, Fraction(0))
    assert notice.kind == "picture.streams"
    assert "0, 64x64; 1, 128x128" in notice.message
    assert f"stream {survey.stream} was taken" in notice.message
    preview = remux(tmp_path / "preview.mp4", [(files[2], "video"), (files[1], "video")])
    survey = survey_pictures(preview)
    assert survey.size == (128, 128)
    assert not picture_notices(preview, "a", survey, Fraction(0))


def test_pictures_without_times_are_refused_with_advice(tmp_path):
    video = write_media(tmp_path / "v.h264", frames=25)
    with pytest.raises(InputError, match=r"v\.h264: its pictures have no times.*ffmpeg -r 25"):
        survey_pictures(video)


def test_a_single_picture_is_no_video(tmp_path):
    photo = write_media(tmp_path / "v.mjpeg", frames=1, codec="mjpeg")
    with pytest.raises(InputError, match="holds a single picture"):
        scan_video(photo, decode=False)
