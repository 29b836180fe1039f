from pathlib import Path

from react24.log import start_logging
from react24.streams.from_faces import extract_from_faces

start_logging(snakemake.log[0])
extract_from_faces(
    "faceverse",
    Path(snakemake.input.faces),
    Path(snakemake.output.features),
    settings=snakemake.params.settings,
    neutrals={
        role: Path(path) for role in ("a", "b") if (path := snakemake.input.get(f"neutral_{role}"))
    },
)
