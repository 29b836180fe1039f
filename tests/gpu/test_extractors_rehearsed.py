"""Every network that extracts or scores, and the metrics, on a GPU that is not there."""

import numpy as np
import pytest
import torch
from helpers.pretended_gpu import on_the_gpu, pretended_gpu
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError

from react24.devices import choose_device
from react24.metrics import frcorr, frdist
from react24.metrics.frrea.inception import FittingInception, Inception
from react24.streams import STREAMS, swin, vggish, wav2vec2
from react24.streams.sources import PictureSource, SoundSource

TICKS = 6


def sound(rate):
    return SoundSource(np.linspace(-0.5, 0.5, TICKS * rate // 25, dtype=np.float32), TICKS)


def pictures():
    values = np.random.default_rng(0).integers(0, 256, (TICKS, 224, 224, 3)).astype(np.uint8)
    return PictureSource(iter(values), np.ones(TICKS, bool))


def zeros(module):
    return {name: torch.zeros(value.shape) for name, value in module.state_dict().items()}


def empty_vggish(seed):
    with torch.device("meta"):
        shapes = vggish.VGGishNetwork()
    quantizer = vggish.PCAQuantizer(torch.zeros(128, 128), torch.zeros(128))
    return vggish.LoadedVGGish(vggish.build_network(zeros(shapes)), quantizer, "empty", False)


@pytest.fixture(autouse=True)
def _empty_networks(monkeypatch):
    """Drawing a hundred million weights costs seconds and has no part in this."""
    monkeypatch.setattr(vggish, "draw_random", empty_vggish)
    monkeypatch.setattr(wav2vec2, "draw_random_state", lambda model, _: (zeros(model), "empty"))
    monkeypatch.setattr(swin, "draw_random_state", lambda model, _: (model.state_dict(), "as made"))


EXTRACTORS = {
    "vggish": lambda: (vggish.VGGish(device="cuda"), sound(24000), 128),
    "wav2vec2": lambda: (
        wav2vec2.Wav2Vec2(device="cuda", window=0.2, overlap=0.04), sound(16000), 768,
    ),
    "swin": lambda: (swin.Swin(device="cuda"), pictures(), 768),
}  # fmt: skip


def test_no_network_is_left_out():
    on_gpus = {
        name
        for name, stream in STREAMS.items()
        if any(backend.gpu for backend in stream.backends.values())
    }
    assert EXTRACTORS.keys() == on_gpus


@pytest.mark.parametrize("stream", EXTRACTORS)
def test_features_are_extracted(stream):
    with pretended_gpu():
        extractor, source, width = EXTRACTORS[stream]()
        assert on_the_gpu(list(extractor._network.parameters()))
        features = extractor.extract(source)
    assert features.values.shape == (TICKS, width)


def test_a_mean_on_the_processor_is_found(monkeypatch):
    offset = torch.full((3, 1, 1), 0.5)
    monkeypatch.setattr(swin, "prepare", lambda shown: shown.permute(0, 3, 1, 2).float() - offset)
    with pretended_gpu():
        extractor, source, _ = EXTRACTORS["swin"]()
        with pytest.raises(FakeTensorDeviceMismatchError):
            extractor.extract(source)


def test_pictures_are_scored():
    weights = {name: torch.zeros(shape) for name, shape in Inception.shapes().items()}
    network = FittingInception(weights, 2)
    with pretended_gpu():
        network.to(choose_device("cuda"))
        features = network(torch.rand(3, 3, 64, 48).to("cuda"))
        assert features.shape == (3, 2048)
        assert on_the_gpu(features)


@pytest.mark.parametrize("metric", [frcorr, frdist])
def test_reactions_are_compared(metric):
    rng = np.random.default_rng(0)
    made, real = rng.random((2, 2, 12, 25), np.float32), rng.random((2, 12, 25), np.float32)
    with pretended_gpu() as gpu:
        metric(made, real, np.ones((2, 2), int), device="cuda")
    assert any("to the processor" in wait for wait in gpu.waits)  # it was there
