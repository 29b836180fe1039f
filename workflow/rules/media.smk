rule probe_session:
    input:
        unpack(session_media),
    output:
        media=ensure("results/media/{session}.h5", non_empty=True),
    log:
        "logs/probe_session/{session}.log",
    benchmark:
        "benchmarks_out/probe_session/{session}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        people=session_people,
        tolerate_damage=SETTINGS["media"]["tolerate_damage"],
        need_sound=SETTINGS.hears,
        code=code_digest("react24.media.probe"),
    message:
        "Reading the clock of session {wildcards.session}"
    script:
        "../scripts/probe_session.py"
