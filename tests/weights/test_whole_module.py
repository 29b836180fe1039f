"""Whole pickled networks are read without their code, and hostile pickles run nothing."""

import pickle
import random
import struct
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from react24.errors import InputError
from react24.weights.official_files import read_official
from react24.weights.whole_module import read_whole_module, stand_in

PICKLED_NAMES = (
    *("models", "models.mhp", "models.model_utils"),
    *("utils", "utils.compute_distance_fun"),
)


class ActNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self._log_scale = nn.Parameter(torch.randn(5))
        self._init = True
        self.register_buffer("p", torch.eye(3))
        self.register_buffer("passing", torch.eye(3), persistent=False)
        self.turned = torch.arange(6.0).reshape(2, 3).t()


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(
            nn.Linear(3, 4, bias=False), nn.GELU(), nn.ELU(), nn.Dropout(), nn.LayerNorm(4),
            nn.MultiheadAttention(4, 2), nn.Conv1d(2, 2, 1), nn.BatchNorm1d(4),
        )  # fmt: skip
        self.norms = nn.ModuleList([ActNorm(), ActNorm()])
        self.lipnorm = torch.tensor(5.25)
        self.distances = {"dtw": compute_distance, "mse": nn.MSELoss()}
        self.pattern, self.nothing, self.place = "all", None, torch.device("cpu")


def compute_distance(one, other):
    raise AssertionError("is never called")


@pytest.fixture
def official_names(monkeypatch):
    """The classes above under the official names, while a file is written."""
    places = {ActNorm: "models.model_utils", Network: "models.mhp"}
    for name in PICKLED_NAMES:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for thing, name in (*places.items(), (compute_distance, "utils.compute_distance_fun")):
        monkeypatch.setattr(thing, "__module__", name)
        setattr(sys.modules[name], thing.__name__, thing)
    yield
    monkeypatch.undo()


def saved(path, content, **keywords):
    torch.save(content, path, **keywords)
    return path


def pickle_of(path):
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
        return archive.read(name)


def archive(path, code, storages=(), compression=zipfile.ZIP_STORED):
    """A torch file with a pickle of our own."""
    with zipfile.ZipFile(path, "w", compression) as target:
        target.writestr("x/data.pkl", code)
        target.writestr("x/version", "3\n")
        for key, data in enumerate(storages):
            target.writestr(f"x/data/{key}", data)
    return path


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_whole_network_is_read_without_its_code(official_names, tmp_path, protocol, wrapped):
    network = Network()
    expected = {k: v.clone() for k, v in network.state_dict().items()}
    whole = nn.DataParallel(network) if wrapped else network
    path = saved(tmp_path / "mhp-epoch95-seed1.pth", whole, pickle_protocol=protocol)
    for name in PICKLED_NAMES:
        del sys.modules[name]
    content = read_official(path).content
    before = "module." if wrapped else ""
    assert list(content["state_dict"]) == [before + key for key in expected]
    for key, value in expected.items():
        assert torch.equal(content["state_dict"][before + key], value)
    attributes = content["attributes"]
    assert attributes[f"{before}norms.1._init"] is True
    assert attributes[f"{before}lipnorm"].item() == 5.25
    assert attributes[f"{before}pattern"] == "all"
    assert torch.equal(attributes[f"{before}norms.0.turned"], network.norms[0].turned)
    assert not {f"{before}{n}" for n in ("training", "nothing", "distances")} & set(attributes)
    assert not set(PICKLED_NAMES) & set(sys.modules)


def test_shared_parts_have_both_names(official_names, tmp_path):
    network = Network()
    network.norms[1] = network.norms[0]
    content = read_official(saved(tmp_path / "n.pth", network)).content
    assert list(content["state_dict"]) == list(network.state_dict())


PATH = b"CANARY"


def call(module, name, *texts):
    """Pickle: ``module.name(*texts)``."""
    strings = b"".join(b"X" + struct.pack("<I", len(t)) + t for t in texts)
    return b"c" + module + b"\n" + name + b"\n(" + strings + b"tR"


def tricks(canary):
    """Pickles that would write the file ``canary`` if anything of theirs was run."""
    touch = b"touch " + canary
    code = b"open(" + repr(canary.decode()).encode() + b", 'w')"
    network = b"cmodels.mhp\nMHP\n)\x81"
    return {
        "system": call(b"posix", b"system", touch),
        "os": call(b"os", b"system", touch),
        "subprocess": call(b"subprocess", b"getoutput", touch),
        "eval": call(b"builtins", b"eval", code),
        "exec, old name": call(b"__builtin__", b"exec", code),
        "open": call(b"builtins", b"open", canary, b"w"),
        "mkdir": call(b"pathlib", b"Path", canary) + call(b"os", b"mkdir", canary),
        "getattr": call(b"builtins", b"getattr", canary, b"upper"),
        "getattr of an admitted thing": b"cbuiltins\ngetattr\n(cmodels.mhp\nMHP\nX\x06\0\0\0__new_"
        b"tR(tR",
        "a method of an admitted name": b"cmodels.mhp\nMHP.__init__\n(tR",
        "an admitted function called": b"cutils.compute_distance_fun\ncompute_distance\n(tR",
        "torch.load": call(b"torch.serialization", b"load", canary),
        "torch.save": call(b"torch", b"save", canary, canary),
        "torch.hub": call(b"torch.hub", b"load", canary),
        "torch.jit": call(b"torch.jit", b"load", canary),
        "copyreg": b"ccopyreg\n_reconstructor\n(cmodels.mhp\nMHP\ncbuiltins\nobject\nNtR",
        "copyreg, new": b"ccopyreg\n__newobj__\n(cos\n_wrap_close\ntR",
        "functools": b"cfunctools\npartial\n(cposix\nsystem\ntR",
        "operator": call(b"operator", b"attrgetter", b"system"),
        "numpy": call(b"numpy", b"save", canary, canary),
        "runpy": call(b"runpy", b"_run_code", code),
        "importlib": call(b"importlib", b"import_module", b"os"),
        "result called": b"ccollections\nOrderedDict\n(tR(tR",
        "a network called": b"cmodels.mhp\nMHP\n(tR",
        "a network made with arguments": b"cmodels.mhp\nMHP\n(X\1\0\0\0at\x81",
        "a class of another kind": b"csubprocess\nPopen\n)\x81",
        "a class of torch's own": b"ctorch.utils.data\nDataLoader\n)\x81",
        "inst": b"(X" + struct.pack("<I", len(touch)) + touch + b"iposix\nsystem\n",
        "obj": b"(cposix\nsystem\nX" + struct.pack("<I", len(touch)) + touch + b"o",
        "a function of torch's that calls another": b"ctorch._tensor\n_rebuild_from_type_v2\n"
        b"(cmodels.mhp\nMHP\nctorch\nTensor\n)}tR",
        "extension": b"\x82\x01",
        "stack global": b"\x8c\x05posix\x8c\x06system\x93\x8c"
        + bytes([len(touch)]) + touch + b"\x85R",
        "dotted stack global": b"\x8c\x0amodels.mhp\x8c\x0fMHP.__init__.os\x93)R",
        "slots": network + b"(N}X\x05\0\0\0stateX\1\0\0\0astb",
        "state that is no dict": network + b"X\1\0\0\0ab",
        "state with other keys": network + b"}K\1K\2sb",
        "state of a class": b"cmodels.mhp\nMHP\n}X\x0c\0\0\0__setstate__cmodels.mhp\nrun\nsb",
        "state of a number": b"K\1}b",
        "setstate of our own": network + b"}X\x0c\0\0\0__setstate__cposix\nsystem\nsb",
        "class of another": network + b"}X\x09\0\0\0__class__cposix\nsystem\nsb",
        "unhashable key": b"}]K\1s",
        "tuple as a key": b"}(K\1tK\1s",
        "nothing on the stack": b"R",
        "no mark": b"K\1t",
        "dict with arguments": b"ccollections\nOrderedDict\n(]tR",
        "set of sets": b"c__builtin__\nset\n(](]etR",
        "a persistent id of no tuple": b"X\1\0\0\0aQ",
        "persistent text": b"Pabc\n",
        "a module by persistent id": b"(X\6\0\0\0modulecmodels.mhp\nMHP\nX\1\0\0\0aX\1\0\0\0btQ",
    }  # fmt: skip


NAMES = list(tricks(PATH))
PLAIN = ("tuple as a key", "dict with arguments")
"""Unusual, but data: torch's reader makes a dict of them."""
PARTS = b"}" + b"".join(
    b"X" + struct.pack("<I", len(name)) + name + b"}s"
    for name in (b"_modules", b"_parameters", b"_buffers")
)
"""Pickle: the attributes that every network has, to be added to."""


@pytest.mark.parametrize("name", NAMES)
def test_hostile_pickles_are_refused_and_nothing_is_run(name, tmp_path):
    canary = tmp_path / "canary"
    code = b"\x80\x02" + tricks(str(canary).encode())[name] + b"."
    # Inside a network, as its attribute, too; and looking like a network by a text after the end.
    inside = b"\x80\x02cmodels.mhp\nMHP\n)\x81" + PARTS + b"X\1\0\0\0a" + code[2:-1] + b"sb."
    for number, text in enumerate((code, inside, code + b"_modules")):
        path = archive(tmp_path / f"{number}.pth", text)
        for read in (read_official, read_whole_module):
            if name in PLAIN and (read is read_official or number == 1):
                read(path)
                continue
            with pytest.raises(InputError) as caught:
                read(path)
            assert "weights_only" not in str(caught.value)
    (tmp_path / "plain.pkl").write_bytes(code)  # not in an archive
    with pytest.raises(InputError):
        read_official(tmp_path / "plain.pkl")
    assert not canary.exists()
    assert "models.mhp" not in sys.modules


def test_the_canary_would_be_written(tmp_path):
    """The crafted pickles are live ones: Python's own reader runs them."""
    for name in ("os", "open", "subprocess", "obj", "inst", "stack global"):
        canary = tmp_path / name.replace(" ", "_")
        pickle.loads(b"\x80\x02" + tricks(str(canary).encode())[name] + b".")
        assert canary.exists(), name


def test_what_is_refused_is_named(official_names, tmp_path):
    path = archive(
        tmp_path / "n.pth", b"\x80\x02" + call(b"posix", b"system", b"ls _modules") + b"."
    )
    with pytest.raises(InputError, match=r"n\.pth: .*refers to posix\.system"):
        read_official(path)
    network = Network()
    network.extra = types.SimpleNamespace(a=1)
    with pytest.raises(InputError, match=r"refers to types\.SimpleNamespace, which is not adm"):
        read_official(saved(tmp_path / "n.pth", network))


def test_attributes_named_like_methods_stay_data(tmp_path):
    code = (
        b"\x80\x02cmodels.mhp\nMHP\n)\x81}(X\x08\0\0\0_modules}X\x0b\0\0\0_parameters}"
        b"X\x08\0\0\0_buffers}X\x0c\0\0\0__setstate__cmodels.mhp\nrun\nX\x08\0\0\0__dict__}"
        b"X\x04\0\0\0sizeK\x05ub}X\x04\0\0\0sizeK\x06sb."
    )
    content = read_whole_module(archive(tmp_path / "n.pth", code))
    assert content == {"class": "models.mhp.MHP", "state_dict": {}, "attributes": {"size": 6}}


def tensor(count=b"K\x04", offset=b"K\0", size=b"K\x04\x85", stride=b"K\1\x85", kind=b"Float"):
    """A network whose attribute ``a`` is a tensor of a storage of ``count`` numbers."""
    value = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\n" + kind + b"Storage\n"
        b"X\1\0\0\0" + b"0X\3\0\0\0cpu" + count + b"tQ" + offset + size + stride + b"\x89"
        b"ccollections\nOrderedDict\n)RtR"
    )
    return (
        b"\x80\x02cmodels.mhp\nMHP\n)\x81}(X\x08\0\0\0_modules}X\x0b\0\0\0_parameters}"
        b"X\x08\0\0\0_buffers}X\1\0\0\0a" + value + b"ub."
    )


NUMBERS = np.arange(4, dtype="<f4").tobytes()


def test_the_crafted_tensor_is_read(tmp_path):
    content = read_whole_module(archive(tmp_path / "n.pth", tensor(), [NUMBERS]))
    assert content["attributes"]["a"].tolist() == [0, 1, 2, 3]
    turned = tensor(size=b"K\2K\2\x86", stride=b"K\1K\2\x86")
    content = read_whole_module(archive(tmp_path / "n.pth", turned, [NUMBERS]))
    assert content["attributes"]["a"].tolist() == [[0, 2], [1, 3]]


HUGE = b"\x8a\x08" + (2**62).to_bytes(8, "little")


@pytest.mark.parametrize(
    "keywords",
    [
        {"count": HUGE}, {"count": b"J\xfc\xff\xff\xff"}, {"count": b"K\5"}, {"count": b"\x88"},
        {"count": b"G@\x10\0\0\0\0\0\0"}, {"count": b"N"}, {"kind": b"Double"}, {"kind": b"Object"},
        {"offset": b"K\1"}, {"offset": b"J\xff\xff\xff\xff"}, {"offset": HUGE},
        {"size": HUGE + b"\x85"}, {"size": b"J\xff\xff\xff\xff\x85"}, {"size": b"K\x05\x85"},
        {"size": HUGE + b"\x85", "stride": b"K\0\x85"}, {"stride": b"K\2\x85"},
        {"stride": b"J\xff\xff\xff\xff\x85"}, {"stride": b"K\1K\1\x86"}, {"size": b"]"},
        {"size": b"K\0" + HUGE + b"\x86", "offset": b"N", "stride": b"K\1K\1\x86"},
    ],
)  # fmt: skip
def test_impossible_sizes_are_refused(tmp_path, keywords):
    path = archive(tmp_path / "n.pth", tensor(**keywords), [NUMBERS])
    for read in (read_official, read_whole_module):
        with pytest.raises(InputError):
            read(path)


def test_missing_and_compressed_storages_are_refused(tmp_path):
    with pytest.raises(InputError, match="data/0"):
        read_whole_module(archive(tmp_path / "n.pth", tensor()))
    packed = archive(tmp_path / "p.pth", tensor(), [NUMBERS], zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="compressed"):
        read_whole_module(packed)


def test_numbers_in_the_other_byte_order_are_turned(tmp_path):
    path = archive(tmp_path / "n.pth", tensor(), [np.arange(4, dtype=">f4").tobytes()])
    with zipfile.ZipFile(path, "a") as target:
        target.writestr("x/byteorder", "big")
    assert read_whole_module(path)["attributes"]["a"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("protocol", [4, 5])
def test_later_protocols_are_refused_with_what_to_do(official_names, tmp_path, protocol):
    path = saved(tmp_path / "n.pth", Network(), pickle_protocol=protocol)
    with pytest.raises(InputError, match=f"of protocol {protocol}; 2 .*save it again"):
        read_official(path)


def test_tensors_of_other_kinds_and_things_that_are_no_tensors_are_refused(
    official_names, tmp_path
):
    network = Network()
    network.odd = torch.eye(3).to_sparse()
    with pytest.raises(InputError, match="odd is no plain tensor"):
        read_official(saved(tmp_path / "n.pth", network))
    network.odd = torch.eye(3, device="meta")
    with pytest.raises(InputError, match="odd is no plain tensor"):
        read_official(saved(tmp_path / "n.pth", network))
    del network.odd
    network.norms[0]._buffers["p"] = 4
    with pytest.raises(InputError, match=r"norms\.0\.p is no tensor"):
        read_official(saved(tmp_path / "n.pth", network))


def test_files_with_thousands_of_classes_are_refused(tmp_path):
    code = b"".join(b"cmodels\nA%d\n" % number for number in range(1001))
    with pytest.raises(InputError, match="1001 classes"):
        read_whole_module(archive(tmp_path / "n.pth", b"\x80\x02" + code + b"."))


def test_networks_without_end_are_refused(tmp_path):
    empty = b"X\x0b\0\0\0_parameters}X\x08\0\0\0_buffers}"
    itself = (
        b"\x80\x02cmodels.mhp\nMHP\n)\x81q\0}(" + empty + b"X\x08\0\0\0_modules}X\1\0\0\0mh\0sub."
    )
    with pytest.raises(InputError, match="nested without end"):
        read_whole_module(archive(tmp_path / "n.pth", itself))
    # Two names for the part below, sixty deep: 2^60 parts.
    code = b"cmodels.mhp\nMHP\n)\x81}(" + empty + b"X\x08\0\0\0_modules}ubq\0"
    for _ in range(60):
        twice = b"(X\1\0\0\0ah\0X\1\0\0\0bh\0u"
        code += b"cmodels.mhp\nMHP\n)\x81}(" + empty + b"X\x08\0\0\0_modules}" + twice + b"ubq\0"
    with pytest.raises(InputError, match="nested without end"):
        read_whole_module(archive(tmp_path / "n.pth", b"\x80\x02" + code + b"h\0."))


def test_damaged_files_are_input_errors(official_names, tmp_path):
    """Whatever is changed in the pickle: it is read or refused, and no other error comes."""
    code = pickle_of(saved(tmp_path / "n.pth", Network()))
    with zipfile.ZipFile(tmp_path / "n.pth") as source:
        names = sorted(
            (n for n in source.namelist() if "/data/" in n),
            key=lambda n: int(n[n.rfind("/") + 1 :]),
        )
        storages = [source.read(name) for name in names]
    draw, refused = random.Random(1), 0
    for _ in range(400):
        changed = bytearray(code)
        for _ in range(draw.choice([1, 1, 3])):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        length = draw.choice([len(changed), draw.randrange(len(changed))])
        path = archive(tmp_path / "c.pth", bytes(changed[:length]), storages)
        try:
            read_whole_module(path)
        except InputError:
            refused += 1
    assert refused > 200
    data = (tmp_path / "n.pth").read_bytes()
    for length in (10, 2000, len(data) - 30):
        (tmp_path / "c.pth").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"c\.pth"):
            read_official(tmp_path / "c.pth")


def test_stand_ins_carry_the_name_and_cannot_be_called():
    one, other = stand_in("os.system"), stand_in("os.system")
    assert (one.__module__, one.__qualname__) == ("os", "system")
    assert one is not other
    with pytest.raises(ValueError, match=r"calls os\.system"):
        one()
    made = one.__new__(one)
    assert made.attributes == {}
    assert not callable(made)
