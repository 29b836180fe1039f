# Checkpoints lie in a folder that is named in params only: Snakemake never deletes it, so a run
# that was interrupted resumes. The declared outputs are the finished model and its history.


rule train_belfusion_vae:
    input:
        unpack(training_clips("vae")),
    output:
        weights=ensure(
            "results/models/{model}/seed{seed}/vae/model.safetensors", non_empty=True
        ),
        settings="results/models/{model}/seed{seed}/vae/model.json",
        history="results/models/{model}/seed{seed}/vae/history.h5",
    log:
        "logs/train_belfusion_vae/{model}/seed{seed}.log",
    benchmark:
        "benchmarks_out/train_belfusion_vae/{model}/seed{seed}.tsv"
    conda:
        "../../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=1440,
        gpu=1,
    params:
        # Stage 1 does not know the settings of stage 2: changing those retrains stage 2 only.
        settings=lambda wc: without(MODEL_SETTINGS[wc.model], "ldm", "speaker_space"),
        checkpoints="results/models/{model}/seed{seed}/vae/checkpoints",
        code=code_digest("react24.training.belfusion_tasks"),
    message:
        "Training {wildcards.model}, stage 1 (VAE), seed {wildcards.seed}"
    script:
        "../scripts/train_belfusion_vae.py"


rule train_belfusion_ldm:
    input:
        unpack(training_clips("ldm")),
        vae="results/models/{model}/seed{seed}/vae/model.safetensors",
        vae_settings="results/models/{model}/seed{seed}/vae/model.json",
    output:
        weights=ensure(
            "results/models/{model}/seed{seed}/ldm/model.safetensors", non_empty=True
        ),
        settings="results/models/{model}/seed{seed}/ldm/model.json",
        history="results/models/{model}/seed{seed}/ldm/history.h5",
    log:
        "logs/train_belfusion_ldm/{model}/seed{seed}.log",
    benchmark:
        "benchmarks_out/train_belfusion_ldm/{model}/seed{seed}.tsv"
    conda:
        "../../envs/models.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=1440,
        gpu=1,
    params:
        settings=lambda wc: MODEL_SETTINGS[wc.model],
        checkpoints="results/models/{model}/seed{seed}/ldm/checkpoints",
        code=code_digest("react24.training.belfusion_tasks"),
    message:
        "Training {wildcards.model}, stage 2 (latent diffusion), seed {wildcards.seed}"
    script:
        "../scripts/train_belfusion_ldm.py"
