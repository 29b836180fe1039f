from importlib import import_module

import pytest

from react24.errors import InputError
from react24.streams.from_faces import FACE_EXTRACTORS, extract_from_faces
from react24.streams.from_pictures import PICTURE_EXTRACTORS
from react24.streams.from_sound import SOUND_EXTRACTORS


@pytest.mark.parametrize(
    ("module", "name"),
    [*FACE_EXTRACTORS.values(), *SOUND_EXTRACTORS.values(), *PICTURE_EXTRACTORS.values()],
)
def test_extractors_that_are_named_are_there(module, name):
    extractor = getattr(import_module(module), name)
    assert callable(extractor.extract)


def test_unknown_backend_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"streams\.graphau\.backend: 'swin'.*landmarks"):
        extract_from_faces(
            "graphau", tmp_path / "f.h5", tmp_path / "o.h5", settings={"backend": "swin"}
        )
