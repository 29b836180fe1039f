rule track_faces:
    input:
        unpack(JOBS.track_files),
        media="results/media/{session}.h5",
        current=CURRENT(),
    output:
        faces=ensure("results/faces/{session}.h5", non_empty=True),
    log:
        "logs/track_faces/{session}.log",
    benchmark:
        "benchmarks_out/track_faces/{session}.tsv"
    conda:
        "../../envs/faces.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2500),
        runtime=per_attempt(240),
    params:
        max_gap=SETTINGS["faces"]["max_gap"],
        max_missing=SETTINGS["faces"]["max_missing"],
        model=SETTINGS["faces"]["model"],
        code=JOBS.code("track_faces"),
    message:
        "Tracking the faces of session {wildcards.session}"
    script:
        "../scripts/track_faces.py"


rule find_neutral:
    input:
        unpack(JOBS.tracks_of_subject),
        current=CURRENT(),
    output:
        neutral=ensure("results/neutral/{stream}/{subject}.h5", non_empty=True),
    log:
        "logs/find_neutral/{stream}/{subject}.log",
    benchmark:
        "benchmarks_out/find_neutral/{stream}/{subject}.tsv"
    wildcard_constraints:
        stream=any_of(JOBS.face_streams),
    conda:
        "../../envs/faces.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(60),
    params:
        settings=lambda wc: JOBS.section(wc.stream),
        code=JOBS.code("find_neutral"),
    message:
        "Finding the face of {wildcards.subject} at rest"
    script:
        "../scripts/find_neutral.py"
