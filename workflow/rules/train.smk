# Every stage of every model is trained by the same script; what differs is said by the registry
# (react24.models.registry). The rules below share one definition, so that each stage has a name of
# its own for --forcerun, --until and --set-resources.
#
# Checkpoints lie in a folder that is named in params only: Snakemake never deletes it, so a run
# that was interrupted resumes. The declared outputs are the finished model and its history.


# Models of your own (docs/add_a_model.md).
rule train_stage:
    input:
        unpack(stage_files),
    output:
        weights=ensure(
            "results/models/{model}/seed{seed}/{stage}/model.safetensors",
            non_empty=True,
        ),
        settings="results/models/{model}/seed{seed}/{stage}/model.json",
        history="results/models/{model}/seed{seed}/{stage}/history.h5",
    log:
        "logs/train_stage/{model}/{stage}/seed{seed}.log",
    benchmark:
        "benchmarks_out/train_stage/{model}/{stage}/seed{seed}.tsv"
    wildcard_constraints:
        model=any_of(trained_models(None)),
    conda:
        "../../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=1440,
        gpu=1,
    params:
        settings=stage_settings,
        checkpoints="results/models/{model}/seed{seed}/{stage}/checkpoints",
        code=stage_code,
    message:
        "Training {wildcards.model}, {wildcards.stage}, seed {wildcards.seed}"
    script:
        "../scripts/train_stage.py"


use rule train_stage as train_belfusion_vae with:
    wildcard_constraints:
        model=any_of(trained_models("belfusion")),
        stage="vae",


use rule train_stage as train_belfusion_ldm with:
    wildcard_constraints:
        model=any_of(trained_models("belfusion")),
        stage="ldm",
