# react24: raw two-person conversations -> facial-reaction generators -> a table of metrics.
#
#   snakemake --cores 8              run everything that config/config.yaml asks for
#   snakemake -n                     show the plan
#   snakemake --cores 8 --use-conda  the same, each rule in its environment of envs/
#
# What is computed: config/ (science). How it runs: profiles/ (cores, memory, GPUs, cluster).

import os

from snakemake.utils import min_version

min_version("9.27")


# The folder of this file. Used as a module, workflow.basedir is that of the other workflow.
CHECKOUT = str(workflow.current_basedir)
AS_MODULE = CHECKOUT != os.path.abspath(workflow.basedir)

# A configuration that is given (--configfile; of a module its `config:`) replaces the default one, it
# is not laid over it. With --directory, results lie elsewhere; what is not there is sought beside
# this file.
CONFIG_FILES = [] if AS_MODULE else list(workflow.config_settings.configfiles)
if not (config if AS_MODULE else CONFIG_FILES):
    CONFIG_FILES = ["config/config.yaml"]
    if not os.path.exists(CONFIG_FILES[0]):
        CONFIG_FILES = [os.path.join(CHECKOUT, CONFIG_FILES[0])]

    configfile: CONFIG_FILES[0]


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/head.smk"
include: "workflow/rules/demo.smk"
include: "workflow/rules/media.smk"
include: "workflow/rules/faces.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/clips.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        tables=expand(
            "results/tables/metrics_{split}.{suffix}",
            split=SCORED_SPLITS,
            suffix=["tsv", "md", "tex"],
        ),
        clips=expand(
            "results/clips/{stream}/{split}.h5",
            stream=STREAMS,
            split=SPLITS,
        ),
        notices=["results/tables/notices.tsv", "results/tables/notices.md"],
        training=expand("results/plots/training_{model}.png", model=TRAINED),
        variance=expand("results/plots/variance_{split}.png", split=SCORED_SPLITS),
        reactions=expand(
            "results/plots/clip_{model}_{split}.png",
            model=MODELS,
            split=SCORED_SPLITS,
        ),


# Only the process that plans the run gets here, not its jobs (workflow/rules/head.smk).
onstart:
    start_head()


onsuccess:
    end_head()


onerror:
    end_failed_head(log)
