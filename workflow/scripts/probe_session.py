from pathlib import Path

from react24.media.probe import RoleMedia, probe_session
from react24.project.choices import Choices
from react24.workflow.job import start_job

start_job(snakemake)
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
