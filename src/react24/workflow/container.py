"""Which container image the rules run in, with ``snakemake --sdm apptainer``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from react24.errors import InputError

VARIABLE = "REACT24_IMAGE"
"""Environment variable that names the image."""

FILE = "react24.sif"
"""File that is taken where the variable is not set."""

HOW = f"build it as docs/container.md says, and name it in {VARIABLE} or put it here as {FILE}"


def find_image(environment: Mapping[str, str], folders: Iterable[str | Path]) -> str:
    """The image: what the variable names, else the file in the first folder that has it.

    No image is published, so there is no default that could be wrong without anybody's notice.

    Args:
        environment: Environment variables.
        folders: Where the file is sought: the working folder, then the checkout.

    Returns:
        An absolute path, or an address such as ``docker://NAME:TAG`` as it was given.

    Raises:
        InputError: There is none, or what is named is neither an address nor a file.
    """
    named = environment.get(VARIABLE, "")
    if "://" in named:
        return named
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise InputError(
                f"{VARIABLE}={named}: no such file; accepted: the path of an image file (.sif), "
                f"or an address such as docker://NAME:TAG; {HOW}"
            )
        return str(path.absolute())
    places = [Path(folder).absolute() / FILE for folder in folders]
    for place in places:
        if place.is_file():
            return str(place)
    looked = ", ".join(map(str, dict.fromkeys(places)))
    raise InputError(
        f"--sdm apptainer: there is no image: {VARIABLE} is not set, and no {looked}; {HOW}"
    )
