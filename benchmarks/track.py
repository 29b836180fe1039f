"""Speed and memory of probing and face tracking.

    python benchmarks/track.py                          # a generated 256x256 video of one minute
    python benchmarks/track.py --size 1080 --seconds 20
    python benchmarks/track.py --video my.mp4
    python benchmarks/track.py --seconds 1200 --no-models   # memory of twenty minutes, quickly

Speeds are frames per CPU second of this process, so other work on the machine hardly disturbs
them. Targets: at least 100 frames per CPU second of tracking; under 1 GB for twenty minutes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from helpers.media_factory import tone, write_media  # noqa: E402

from react24.faces.follow import Follower, Sighting  # noqa: E402
from react24.faces.mesh import POINTS, Mesh, Region, box_of  # noqa: E402
from react24.faces.models import MEDIAPIPE, open_models  # noqa: E402
from react24.faces.track import follow_role  # noqa: E402
from react24.faces.turn import TurnWatch  # noqa: E402
from react24.media.probe import RoleMedia, check_readable, probe_session  # noqa: E402
from react24.media.video import read_frames  # noqa: E402


def generate(path: Path, size: int, seconds: float) -> Path:
    """A portrait that sways, size x size (1080 and above: in a 16:9 picture), 25 fps."""
    from skimage import data

    portrait = data.astronaut()
    if size < 512:
        portrait = np.ascontiguousarray(portrait[:: 512 // size, :: 512 // size])
    height = max(size, portrait.shape[0])
    width = height * 16 // 9 // 2 * 2 if height >= 1080 else height

    def picture(index: int) -> np.ndarray:
        canvas = np.full((height, width, 3), 90, np.uint8)
        shift = round((0.5 + 0.4 * np.sin(index / 20)) * (width - portrait.shape[1]))
        canvas[: portrait.shape[0], shift : shift + portrait.shape[1]] = portrait
        return np.roll(canvas, round(6 * np.sin(index / 9)), axis=0)

    return write_media(
        path, picture=picture, frames=round(seconds * 25), sound=tone(seconds, 16000), gop=50
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class NoModels:
    """Stands in for the follower where only decoding and writing are measured."""

    cut = False

    def see(self, rgb: np.ndarray) -> list[Sighting]:
        """A face without looking."""
        mesh = Mesh(np.full((POINTS, 3), rgb[0, 0, 0], np.float32), 1.0)
        region = Region(0.0, 0.0, 1.0, 0.0)
        return [Sighting(0, mesh, box_of(mesh.points), region, np.zeros(1, np.float32))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--no-models", action="store_true")
    parser.add_argument("--model", default=MEDIAPIPE, help="as faces.model of the configuration")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        video = args.video or generate(work / "video.mp4", args.size, args.seconds)
        files = RoleMedia(video, None, "subject", "role")
        media = work / "media.h5"

        def probe(tolerate: bool) -> None:
            probe_session(media, session="s", roles={"a": files}, tolerate_damage=tolerate)

        header = cpu_seconds(lambda: check_readable(video))
        thorough = cpu_seconds(lambda: probe(True))
        quick = cpu_seconds(lambda: probe(False))
        with h5py.File(media) as file:
            frames = int(file.attrs["frames"])
            size = f"{file['a'].attrs['width']}x{file['a'].attrs['height']}"
        reading = cpu_seconds(lambda: [None for _ in read_frames(media, "a")])
        print(f"{video.name}: {size}, {frames} frames; memory so far {megabytes():.0f} MB")
        print(f"header check    {header * 1000:8.1f} ms")
        print(f"probe, packets  {quick:8.2f} s   {frames / quick:8.0f} frames per CPU second")
        print(f"probe, decoding {thorough:8.2f} s   {frames / thorough:8.0f} frames per CPU second")
        print(f"read_frames     {reading:8.2f} s   {frames / reading:8.0f} frames per CPU second")
        with h5py.File(work / "faces.h5", "w") as out:
            if args.no_models:
                pictures = read_frames(media, "a")
                spent = cpu_seconds(lambda: follow_role(out, pictures, NoModels(), frames))
            else:
                with open_models(args.model) as models:
                    follower = Follower(models.detector, models.landmarks)
                    follower.see(next(read_frames(media, "a"))[1])  # loading is not tracking
                    pictures = read_frames(media, "a")
                    watch = TurnWatch(models.detector)
                    spent = cpu_seconds(
                        lambda: follow_role(out, pictures, follower, frames, watch=watch)
                    )
            found = float(out["found"][:].mean())
        print(f"tracking        {spent:8.2f} s   {frames / spent:8.0f} frames per CPU second")
        print(f"faces found in {found:.1%} of the frames; peak memory {megabytes():.0f} MB")


if __name__ == "__main__":
    main()
