# Every stage of every model is trained by the same script; what differs is said by the registry
# (react24.models). The rules below share one definition, so that each stage has a name of
# its own for --forcerun, --until and --set-resources.
#
# Checkpoints lie in a folder that is named in params only: Snakemake never deletes it, so a run
# that was interrupted resumes. The declared outputs are the finished model and its history.


# Models of your own (docs/add_a_model.md).
rule train_stage:
    input:
        unpack(JOBS.stage_files),
        current=CURRENT(COMPARED),
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
        model=any_of(JOBS.trained_of(None)),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(1440),
        gpu=1,
    params:
        settings=JOBS.stage_settings,
        checkpoints="results/models/{model}/seed{seed}/{stage}/checkpoints",
        code=JOBS.stage_code,
    message:
        "Training {wildcards.model}, {wildcards.stage}, seed {wildcards.seed}"
    script:
        "../scripts/train_stage.py"


use rule train_stage as train_belfusion_vae with:
    wildcard_constraints:
        model=any_of(JOBS.trained_of("belfusion")),
        stage="vae",


use rule train_stage as train_belfusion_ldm with:
    wildcard_constraints:
        model=any_of(JOBS.trained_of("belfusion")),
        stage="ldm",


use rule train_stage as train_regnn with:
    wildcard_constraints:
        model=any_of(JOBS.trained_of("regnn")),
        stage="generator",
    resources:
        mem_mb=per_attempt(10000),
        runtime=per_attempt(1440),
        gpu=1,


# Its memory is that of 4 x 256 pictures of 224 pixels on a CPU.
use rule train_stage as train_tranvae_codebook with:
    wildcard_constraints:
        model=any_of(JOBS.trained_of("tranvae")),
        stage="codebook",


use rule train_stage as train_tranvae_predictor with:
    wildcard_constraints:
        model=any_of(JOBS.trained_of("tranvae")),
        stage="predictor",


use rule train_stage as train_transvae with:
    wildcard_constraints:
        model=any_of(JOBS.trained_of("transvae")),
        stage="transvae",
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(2880),
        gpu=1,


# Published weights in place of training (docs/checkpoints.md). One job per stage and seed, each a
# few seconds, so that everything after it finds the files where a trained model has them.
rule convert_checkpoint:
    input:
        unpack(JOBS.checkpoint_files),
        current=CURRENT(COMPARED),
    output:
        weights=ensure(
            "results/models/{model}/seed{seed}/{stage}/model.safetensors",
            non_empty=True,
        ),
        settings="results/models/{model}/seed{seed}/{stage}/model.json",
    log:
        "logs/convert_checkpoint/{model}/{stage}/seed{seed}.log",
    benchmark:
        "benchmarks_out/convert_checkpoint/{model}/{stage}/seed{seed}.tsv"
    wildcard_constraints:
        model=any_of(SETTINGS.checkpoints),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(30),
    params:
        settings=lambda wc: SETTINGS.models[wc.model],
        code=JOBS.conversion_code,
    message:
        "Converting the checkpoint of {wildcards.model}, {wildcards.stage}, seed {wildcards.seed}"
    script:
        "../scripts/convert_checkpoint.py"
