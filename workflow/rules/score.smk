rule score_reactions:
    input:
        samples="results/samples/{model}/seed{seed}/{split}.h5",
        clips="results/clips/graphau/{split}.h5",
        appropriate="results/appropriate/{split}.h5",
        current=CURRENT(COMPARED),
    output:
        metrics=ensure("results/metrics/{model}/seed{seed}/{split}.h5", non_empty=True),
    log:
        "logs/score_reactions/{model}/seed{seed}/{split}.log",
    benchmark:
        "benchmarks_out/score_reactions/{model}/seed{seed}/{split}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(240),
    params:
        space=SETTINGS["metrics"]["space"],
        own=SETTINGS["metrics"]["own"],
        code=JOBS.scoring_code,
    message:
        "Scoring {wildcards.model}, seed {wildcards.seed}, {wildcards.split}"
    script:
        "../scripts/score_reactions.py"
