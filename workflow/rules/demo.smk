rule make_demo_session:
    input:
        current=CURRENT(),
    output:
        video_a="resources/demo/{session}/a.mp4",
        video_b="resources/demo/{session}/b.mp4",
        truth="resources/demo/{session}/truth.h5",
    log:
        "logs/make_demo_session/{session}.log",
    benchmark:
        "benchmarks_out/make_demo_session/{session}.tsv"
    conda:
        "../../envs/faces.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(30),
    params:
        seed=SETTINGS["demo"]["seed"],
        code=JOBS.code("make_demo_session"),
    message:
        "Making demo session {wildcards.session}"
    script:
        "../scripts/make_demo_session.py"
