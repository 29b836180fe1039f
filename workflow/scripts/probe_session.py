from pathlib import Path

from react24.log import start_logging
from react24.media.probe import RoleMedia, probe_session
from react24.project.choices import Choices

start_logging(snakemake.log[0])
roles = {}
for role, about in snakemake.params.people.items():
    audio = snakemake.input.get(f"audio_{role}")
    roles[role] = RoleMedia(
        video=Path(snakemake.input[f"video_{role}"]),
        audio=Path(audio) if audio else None,
        subject=about["subject"],
        role_name=about["role_name"],
        choices=Choices.from_json(about["choices"]),
    )
probe_session(
    Path(snakemake.output.media),
    session=snakemake.wildcards.session,
    roles=roles,
    tolerate_damage=snakemake.params.tolerate_damage,
    need_sound=snakemake.params.need_sound,
)
