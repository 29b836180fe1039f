# z-scores are made here too, session by session, and kept in results/normalized: a job of its own
# for each would be a second of work in twelve of a cluster's. The folder is named in params only,
# so that Snakemake never deletes what another session's change leaves right.
rule window_clips:
    input:
        features=lambda wc: [
            f"results/features/{wc.stream}/{s.session}.h5"
            for s in JOBS.sessions_of(wc.split)
        ],
        # Which clips are left out, the same for all streams.
        faces=lambda wc: [
            f"results/faces/{s.session}.h5" for s in JOBS.sessions_of(wc.split)
        ],
        current=CURRENT(COMPARED),
    output:
        clips=ensure("results/clips/{stream}/{split}.h5", non_empty=True),
    log:
        "logs/window_clips/{stream}/{split}.log",
    benchmark:
        "benchmarks_out/window_clips/{stream}/{split}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(120),
    params:
        sessions=lambda wc: [s.session for s in JOBS.sessions_of(wc.split)],
        min_valid=SETTINGS["clips"]["min_valid"],
        keep_native=lambda wc: JOBS.all_streams[wc.stream].keep_native,
        normalized="results/normalized/{stream}",
        keep_normalized=SETTINGS["storage"]["keep_normalized"],
        normalizing=code_digest("react24.clips.normalize"),
        code=JOBS.code("window_clips"),
    message:
        "Cutting {wildcards.stream}, {wildcards.split}, into clips"
    script:
        "../scripts/window_clips.py"


rule appropriate_reactions:
    input:
        unpack(JOBS.official_files),
        clips="results/clips/graphau/{split}.h5",
        current=CURRENT(COMPARED),
    output:
        appropriate=ensure("results/appropriate/{split}.h5", non_empty=True),
    log:
        "logs/appropriate_reactions/{split}.log",
    benchmark:
        "benchmarks_out/appropriate_reactions/{split}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(120),
    params:
        source=SETTINGS["appropriate"]["source"],
        k=SETTINGS["appropriate"]["k"],
        sites=lambda wc: {s.session: s.site for s in JOBS.sessions_of(wc.split)},
        code=JOBS.code("appropriate_reactions"),
    message:
        "Finding the appropriate reactions of {wildcards.split}"
    script:
        "../scripts/appropriate_reactions.py"
