# One rule per stream of the table (react24.streams) and of the configuration, all from this text.
# A job does both roles of a session.


for STREAM in JOBS.all_streams:

    rule:
        name:
            f"extract_{STREAM}"
        input:
            unpack(JOBS.stream_files(STREAM)),
            current=CURRENT(),
        output:
            features=ensure(f"results/features/{STREAM}/{{session}}.h5", non_empty=True),
        log:
            f"logs/extract_{STREAM}/{{session}}.log",
        benchmark:
            f"benchmarks_out/extract_{STREAM}/{{session}}.tsv"
        conda:
            JOBS.stream_environment(STREAM)
        threads: 1
        resources:
            **JOBS.stream_resources(STREAM),
        params:
            stream=STREAM,
            settings=JOBS.section(STREAM),
            code=JOBS.stream_code(STREAM),
        message:
            f"Extracting {STREAM} of session {{wildcards.session}}"
        script:
            "../scripts/extract_stream.py"
