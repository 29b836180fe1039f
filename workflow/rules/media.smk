rule probe_session:
    input:
        unpack(JOBS.session_media),
        current=CURRENT(),
    output:
        media=ensure("results/media/{session}.h5", non_empty=True),
    log:
        "logs/probe_session/{session}.log",
    benchmark:
        "benchmarks_out/probe_session/{session}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(60),
    params:
        people=JOBS.session_people,
        tolerate_damage=SETTINGS["media"]["tolerate_damage"],
        need_sound=SETTINGS.hears,
        code=JOBS.code("probe_session"),
    message:
        "Reading the clock of session {wildcards.session}"
    script:
        "../scripts/probe_session.py"


rule compare_recordings:
    input:
        media=[f"results/media/{session}.h5" for session in SESSIONS],
        current=CURRENT(),
    output:
        repeated=ensure("results/repeated.json", non_empty=True),
    log:
        "logs/compare_recordings.log",
    benchmark:
        "benchmarks_out/compare_recordings.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(60),
    params:
        splits={session.session: session.split for session in SESSIONS.values()},
        where={session: about.files for session, about in SESSIONS.items()},
        code=JOBS.code("compare_recordings"),
    message:
        "Looking for recordings that are used twice"
    script:
        "../scripts/compare_recordings.py"
