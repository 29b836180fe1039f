rule sample_reactions:
    input:
        unpack(JOBS.sampling_files),
        current=CURRENT(COMPARED),
    output:
        samples=ensure("results/samples/{model}/seed{seed}/{split}.h5", non_empty=True),
    log:
        "logs/sample_reactions/{model}/seed{seed}/{split}.log",
    benchmark:
        "benchmarks_out/sample_reactions/{model}/seed{seed}/{split}.tsv"
    wildcard_constraints:
        model=any_of(MODELS),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=JOBS.sampling_memory,
        runtime=per_attempt(240),
        gpu=1,
    params:
        settings=lambda wc: SETTINGS.models[wc.model],
        samples=SETTINGS["sampling"]["samples"],
        code=JOBS.sampling_code,
    message:
        "Sampling {params.samples} reactions per clip: {wildcards.model}, "
        "seed {wildcards.seed}, {wildcards.split}"
    script:
        "../scripts/sample_reactions.py"


rule sample_baseline:
    input:
        unpack(JOBS.baseline_files),
        current=CURRENT(COMPARED),
    output:
        samples=ensure("results/samples/{model}/seed{seed}/{split}.h5", non_empty=True),
    log:
        "logs/sample_baseline/{model}/seed{seed}/{split}.log",
    benchmark:
        "benchmarks_out/sample_baseline/{model}/seed{seed}/{split}.tsv"
    wildcard_constraints:
        model=any_of(BASELINES),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(60),
    params:
        samples=SETTINGS["sampling"]["samples"],
        code=JOBS.code("sample_baseline"),
    message:
        "Baseline {wildcards.model}, seed {wildcards.seed}, {wildcards.split}"
    script:
        "../scripts/sample_baseline.py"
