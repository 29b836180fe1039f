"""The weights registry: fetching, verifying, locking, and what it says when that fails."""

import dataclasses
import functools
import hashlib
import http.server
import json
import re
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from react24.errors import InputError
from react24.weights import fetch as weights
from react24.weights.registry import REGISTRY, WeightsEntry, find_entry, missing_by_hand
from react24.weights.unfit import explain_unfit

CONTENT = bytes(range(256)) * 9000
ROOT = Path(__file__).parents[2]
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path != "/broken.bin":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])
        return None


@pytest.fixture
def site(tmp_path):
    """Address of a local server with one file, ``net.bin``, and its folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "net.bin").write_bytes(CONTENT)
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.fixture
def register(monkeypatch):
    def add(url, sha256=DIGEST):
        entry = WeightsEntry(
            name="net",
            what="A net.",
            file="net.bin",
            url=url,
            sha256=sha256,
            megabytes=2,
            licence="CC0",
            who="Anyone.",
            format="bytes",
        )
        monkeypatch.setitem(REGISTRY, "net", entry)

    return add


def left_in(folder):
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_fetch_verifies_and_does_not_fetch_twice(site, register, tmp_path):
    register(f"{site[0]}/net.bin")
    path = weights.fetch("net", tmp_path / "w")
    assert path.read_bytes() == CONTENT
    assert left_in(path.parent) == ["net.bin"]
    (site[1] / "net.bin").unlink()
    assert weights.fetch("net", tmp_path / "w") == path


def test_fetch_from_a_file_address(site, register, tmp_path):
    register((site[1] / "net.bin").as_uri(), DIGEST[:8])
    assert weights.fetch("net", tmp_path / "w").read_bytes() == CONTENT
    lock = json.loads((tmp_path / "w" / weights.LOCK_NAME).read_text())
    assert lock == {"net.bin": DIGEST}


@pytest.mark.parametrize("published", ["0" * 64, "00000000"])
def test_wrong_content_is_refused_and_leaves_nothing(site, register, tmp_path, published):
    register(f"{site[0]}/net.bin", published)
    with pytest.raises(InputError, match=f"SHA-256 {DIGEST}, expected {published}"):
        weights.fetch("net", tmp_path / "w")
    assert left_in(tmp_path / "w") == []


def test_wrong_file_put_there_by_hand_is_refused(register, tmp_path):
    register("http://127.0.0.1:9/net.bin")
    (tmp_path / "net.bin").write_bytes(b"something else")
    with pytest.raises(InputError, match="Delete it"):
        weights.fetch("net", tmp_path)
    assert (tmp_path / "net.bin").exists()


def test_broken_connection_leaves_nothing(site, register, tmp_path):
    register(f"{site[0]}/broken.bin")
    with pytest.raises(InputError, match="Download that file"):
        weights.fetch("net", tmp_path / "w")
    assert left_in(tmp_path / "w") == []


def test_offline_says_what_to_put_where(register, tmp_path):
    with socket.socket() as listener:  # a port on which nobody listens
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/net.bin"
    register(url)
    with pytest.raises(InputError) as caught:
        weights.fetch("net", tmp_path / "w")
    assert url in str(caught.value)
    assert str(tmp_path / "w" / "net.bin") in str(caught.value)


def test_a_page_for_people_is_named_and_not_fetched(tmp_path):
    def opener(*_, **__):
        raise AssertionError("nothing may be fetched")

    assert find_entry("swin_fer").by_hand
    with pytest.raises(InputError) as error:
        weights.fetch("swin_fer", tmp_path, opener=opener)
    for words in ("https://drive.google.com/drive/folders/", f"put it at {tmp_path}/swin_fer.pth"):
        assert words in str(error.value)
    assert missing_by_hand("swin_fer", tmp_path) == str(error.value)
    (tmp_path / "swin_fer.pth").write_bytes(CONTENT)
    assert missing_by_hand("swin_fer", tmp_path) is None
    assert weights.resolve("swin_fer", tmp_path).sha256 == DIGEST
    assert missing_by_hand("vggish", tmp_path) is None


def test_missing_page_is_an_input_error(site, register, tmp_path):
    register(f"{site[0]}/absent.bin")
    with pytest.raises(InputError, match="404"):
        weights.fetch("net", tmp_path / "w")


def test_first_use_is_trusted_and_a_later_change_refused(site, register, tmp_path, caplog):
    register(f"{site[0]}/net.bin", None)
    path = weights.fetch("net", tmp_path / "w")
    assert "no checksum of net is published" in caplog.text
    assert weights.verify("net", path) == DIGEST
    path.write_bytes(b"changed")
    with pytest.raises(InputError, match="first time this file was used"):
        weights.resolve("net", tmp_path / "w")


def test_lock_file_keeps_other_entries(register, tmp_path):
    (tmp_path / weights.LOCK_NAME).write_text('{"other.bin": "abc"}')
    (tmp_path / "net.bin").write_bytes(CONTENT)
    register("http://127.0.0.1:9/net.bin", None)
    weights.verify("net", tmp_path / "net.bin")
    lock = json.loads((tmp_path / weights.LOCK_NAME).read_text())
    assert lock == {"net.bin": DIGEST, "other.bin": "abc"}


def test_resolve_random():
    found = weights.resolve("random")
    assert (found.path, found.sha256, found.pretrained) == (None, None, False)
    assert found.describe() == "random"


def test_resolve_registry_name(site, register, tmp_path):
    register(f"{site[0]}/net.bin")
    with pytest.raises(InputError, match="jobs fetch nothing themselves"):
        weights.resolve("net", tmp_path / "w", download=False)
    found = weights.resolve("net", tmp_path / "w")
    assert found.pretrained
    assert found.describe() == f"net {DIGEST}"
    assert weights.resolve("net", tmp_path / "w", download=False) == found


def test_resolve_file_and_folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(CONTENT)
    for path in (tmp_path, tmp_path / "model.safetensors"):
        found = weights.resolve(str(path))
        assert found.path == path
        assert (found.sha256, found.pretrained) == (DIGEST, True)


def test_resolve_unknown_lists_what_there_is():
    with pytest.raises(InputError, match="vggish, vggish_pca, wav2vec2-base"):
        weights.resolve("vgish")
    with pytest.raises(InputError, match="vggish, vggish_pca, wav2vec2-base"):
        weights.fetch("vgish")


def test_entries_are_complete():
    for name, entry in REGISTRY.items():
        assert name == entry.name
        assert entry.url.startswith("https://")
        assert "/" not in entry.file
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{8}|[0-9a-f]{64}", entry.sha256)
        assert all(dataclasses.astuple(entry)[5:9]), name
    files = [entry.file for entry in REGISTRY.values()]
    assert len(set(files)) == len(files)


def test_the_documents_have_the_tables_of_the_registry():
    def digest(entry):
        if entry.sha256 is None:
            return "not published with the file; locked on first use"
        return f"{'starts with ' if len(entry.sha256) < 64 else ''}`{entry.sha256}`"

    for place, table in {
        "docs/weights.md": [
            f"| `{e.name}` | `{e.file}` | {e.megabytes} MB | {digest(e)} | {e.licence} | {e.who} |"
            for e in REGISTRY.values()
        ],
        "docs/licences.md": [f"| `{e.name}` | {e.what} | {e.licence} |" for e in REGISTRY.values()],
    }.items():
        assert "\n".join(["---" + " |\n" + table[0], *table[1:]]) in (ROOT / place).read_text(), (
            place
        )


def test_of_several_that_want_a_file_one_downloads(site, register, tmp_path):
    register(f"{site[0]}/net.bin")
    asked, both = [], threading.Barrier(2)

    def opener(url, timeout):
        asked.append(url)
        time.sleep(0.3)  # long enough for the other one to come
        return urllib.request.urlopen(url, timeout=timeout)

    def want(found):
        both.wait()
        found.append(weights.fetch("net", tmp_path / "w", opener=opener))

    found = []
    threads = [threading.Thread(target=want, args=(found,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "w/net.bin"] * 2
    assert len(asked) == 1
    assert left_in(tmp_path / "w") == ["net.bin"]


def test_jobs_of_a_run_fetch_nothing(site, register, tmp_path, monkeypatch):
    register(f"{site[0]}/net.bin")
    monkeypatch.setenv("REACT24_FETCH", "never")
    with pytest.raises(InputError, match="run `react24 fetch-weights net` where there is a conn"):
        weights.resolve("net", tmp_path / "w")
    weights.fetch("net", tmp_path / "w")  # a person who asks for it still gets it
    assert weights.resolve("net", tmp_path / "w").sha256 == DIGEST


def test_a_folder_that_a_group_shares(site, register, tmp_path, monkeypatch):
    register(f"{site[0]}/net.bin")
    monkeypatch.setenv("REACT24_WEIGHTS", str(tmp_path / "shared"))
    assert weights.fetch("net") == tmp_path / "shared/net.bin"
    assert weights.resolve("net", download=False).path == tmp_path / "shared/net.bin"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "an empty file"),
        (b"<html>Sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"PK\x03\x04 and then nothing", "cut short"),
        (b"\xff\0\0\0\0\0\0\0{", "cut short"),
        (b"\x02\0\0\0\0\0\0\0{}more", "it has 14 bytes; its header says 10"),
        (b"\x02\0\0\0\0\0\0\0{]", "its header is not that of a safetensors file"),
        (b"\x80\x02", ""),
        (b"\0\0\0\0TFL3", ""),
        (b"\x02\0\0\0\0\0\0\0{}", ""),
    ],
)
def test_what_cannot_be_weights_is_told_from_outside(tmp_path, content, told):
    path = tmp_path / "net"
    path.write_bytes(content)
    found = explain_unfit(path)
    assert told in found
    assert bool(found) == bool(told)


def test_what_is_no_file_of_weights(tmp_path, monkeypatch):
    assert explain_unfit(tmp_path / "gone") == "no such file"
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "which is not there" in explain_unfit(tmp_path / "link")
    assert "neither model.safetensors nor" in explain_unfit(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert explain_unfit(tmp_path).startswith("pytorch_model.bin in it: this is an empty file")
