# Tables and plots take seconds: on a cluster they are made where snakemake runs.


rule tabulate_metrics:
    input:
        metrics=lambda wc: [
            f"results/metrics/{model}/seed{seed}/{wc.split}.h5"
            for model in MODELS + BASELINES
            for seed in SEEDS
        ],
        clips="results/clips/graphau/{split}.h5",
        told=lambda wc: JOBS.told_files(JOBS.sessions_of(wc.split), ["graphau"]),
        repeated="results/repeated.json",
        told_train=lambda wc: JOBS.told_files(
            JOBS.learned_sessions(wc.split), ["graphau"]
        ),
        current=CURRENT(),
    output:
        tsv=report(
            "results/tables/metrics_{split}.tsv",
            caption="../report/table.rst",
            category="Tables",
            labels={"split": "{split}", "what": "metrics"},
        ),
        md="results/tables/metrics_{split}.md",
        tex="results/tables/metrics_{split}.tex",
    log:
        "logs/tabulate_metrics/{split}.log",
    benchmark:
        "benchmarks_out/tabulate_metrics/{split}.tsv"
    localrule: True
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        where="results/tables/notices.md",
        left_out=JOBS.left_out_of,
        code=JOBS.code("tabulate_metrics"),
    message:
        "Writing the table of metrics, {wildcards.split}"
    script:
        "../scripts/tabulate_metrics.py"


rule list_notices:
    input:
        told=JOBS.told_files(SESSIONS.values(), STREAMS),
        clips=CLIPS,
        repeated="results/repeated.json",
        current=CURRENT(),
    output:
        tsv=report(
            "results/tables/notices.tsv",
            caption="../report/notices.rst",
            category="Recordings",
            labels={"split": "all", "what": "what is doubtful"},
        ),
        md="results/tables/notices.md",
    log:
        "logs/list_notices.log",
    benchmark:
        "benchmarks_out/list_notices.tsv"
    localrule: True
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        splits=PROJECT.splits,
        left_out=PROJECT.why_left_out(),
        code=JOBS.code("list_notices"),
    message:
        "Listing what is doubtful about the recordings"
    script:
        "../scripts/list_notices.py"


rule plot_training:
    input:
        history=lambda wc: [
            f"results/models/{wc.model}/seed{seed}/{stage}/history.h5"
            for stage in JOBS.model_type(wc.model).stage_names
            for seed in SEEDS
        ],
        current=CURRENT(COMPARED),
    output:
        plot=report(
            "results/plots/training_{model}.png",
            caption="../report/training.rst",
            category="Training",
            labels={"model": "{model}", "what": "training curves"},
        ),
    log:
        "logs/plot_training/{model}.log",
    benchmark:
        "benchmarks_out/plot_training/{model}.tsv"
    localrule: True
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        runs=lambda wc: [
            {"stage": stage, "seed": seed}
            for stage in JOBS.model_type(wc.model).stage_names
            for seed in SEEDS
        ],
        code=JOBS.code("plot_training"),
    message:
        "Plotting the training curves of {wildcards.model}"
    script:
        "../scripts/plot_training.py"


rule plot_variance:
    input:
        clips="results/clips/graphau/{split}.h5",
        samples=lambda wc: [
            f"results/samples/{model}/seed{SEEDS[0]}/{wc.split}.h5"
            for model in MODELS + BASELINES
        ],
        current=CURRENT(COMPARED),
    output:
        plot=report(
            "results/plots/variance_{split}.png",
            caption="../report/variance.rst",
            category="Reactions",
            labels={"split": "{split}", "what": "variance per dimension"},
        ),
    log:
        "logs/plot_variance/{split}.log",
    benchmark:
        "benchmarks_out/plot_variance/{split}.tsv"
    localrule: True
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=JOBS.code("plot_variance"),
    message:
        "Plotting the variance of truth and reactions, {wildcards.split}"
    script:
        "../scripts/plot_variance.py"


rule plot_clip:
    input:
        clips="results/clips/graphau/{split}.h5",
        samples=f"results/samples/{{model}}/seed{SEEDS[0]}/{{split}}.h5",
        current=CURRENT(COMPARED),
    output:
        plot=report(
            "results/plots/clip_{model}_{split}.png",
            caption="../report/clip.rst",
            category="Reactions",
            labels={"split": "{split}", "what": "one clip, {model}"},
        ),
    log:
        "logs/plot_clip/{model}_{split}.log",
    benchmark:
        "benchmarks_out/plot_clip/{model}_{split}.tsv"
    localrule: True
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=JOBS.code("plot_clip"),
    message:
        "Plotting one clip of {wildcards.model}, {wildcards.split}"
    script:
        "../scripts/plot_clip.py"


# Asked for by name only: snakemake results/inspect/SESSION.png
rule inspect_session:
    input:
        unpack(JOBS.session_media),
        media="results/media/{session}.h5",
        faces="results/faces/{session}.h5",
        graphau="results/features/graphau/{session}.h5",
        faceverse="results/features/faceverse/{session}.h5",
        current=CURRENT(),
    output:
        sheet=report(
            "results/inspect/{session}.png",
            caption="../report/inspect.rst",
            category="Sessions",
            labels={"session": "{session}", "what": "contact sheet"},
        ),
    log:
        "logs/inspect_session/{session}.log",
    benchmark:
        "benchmarks_out/inspect_session/{session}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(20),
    params:
        code=JOBS.code("inspect_session"),
    message:
        "Drawing the contact sheet of session {wildcards.session}"
    script:
        "../scripts/inspect_session.py"
