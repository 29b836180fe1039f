# One rule per stream. A job does both roles of a session.


rule extract_graphau:
    input:
        unpack(neutral_faces("graphau")),
        faces="results/faces/{session}.h5",
    output:
        features=ensure("results/features/graphau/{session}.h5", non_empty=True),
    log:
        "logs/extract_graphau/{session}.log",
    benchmark:
        "benchmarks_out/extract_graphau/{session}.tsv"
    conda:
        "../../envs/faces.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        settings=SETTINGS["streams"]["graphau"],
        code=code_digest(
            "react24.streams.from_faces",
            "react24.streams.graphau.landmarks",
            "react24.streams.blendshapes",
        ),
    message:
        "Extracting the 25-D emotion stream of session {wildcards.session}"
    script:
        "../scripts/extract_graphau.py"


rule extract_faceverse:
    input:
        unpack(neutral_faces("faceverse")),
        faces="results/faces/{session}.h5",
    output:
        features=ensure("results/features/faceverse/{session}.h5", non_empty=True),
    log:
        "logs/extract_faceverse/{session}.log",
    benchmark:
        "benchmarks_out/extract_faceverse/{session}.tsv"
    conda:
        "../../envs/faces.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        settings=SETTINGS["streams"]["faceverse"],
        code=code_digest(
            "react24.streams.from_faces",
            "react24.streams.faceverse.landmarks",
            "react24.streams.blendshapes",
        ),
    message:
        "Extracting the 58-D coefficients of session {wildcards.session}"
    script:
        "../scripts/extract_faceverse.py"


rule extract_vggish:
    input:
        unpack(recordings_and_weights("vggish")),
        media="results/media/{session}.h5",
    output:
        features=ensure("results/features/vggish/{session}.h5", non_empty=True),
    log:
        "logs/extract_vggish/{session}.log",
    benchmark:
        "benchmarks_out/extract_vggish/{session}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=240,
        gpu=1,
    params:
        settings=without(SETTINGS["streams"]["vggish"], "enabled"),
        code=code_digest("react24.streams.from_sound", "react24.streams.vggish"),
    message:
        "Extracting VGGish embeddings of session {wildcards.session}"
    script:
        "../scripts/extract_vggish.py"


rule extract_wav2vec2:
    input:
        unpack(recordings_and_weights("wav2vec2")),
        media="results/media/{session}.h5",
    output:
        features=ensure("results/features/wav2vec2/{session}.h5", non_empty=True),
    log:
        "logs/extract_wav2vec2/{session}.log",
    benchmark:
        "benchmarks_out/extract_wav2vec2/{session}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=1,
    params:
        settings=without(SETTINGS["streams"]["wav2vec2"], "enabled"),
        code=code_digest("react24.streams.from_sound", "react24.streams.wav2vec2"),
    message:
        "Extracting wav2vec2 states of session {wildcards.session}"
    script:
        "../scripts/extract_wav2vec2.py"


rule extract_swin:
    input:
        unpack(recordings_and_weights("swin")),
        media="results/media/{session}.h5",
        faces="results/faces/{session}.h5",
    output:
        features=ensure("results/features/swin/{session}.h5", non_empty=True),
    log:
        "logs/extract_swin/{session}.log",
    benchmark:
        "benchmarks_out/extract_swin/{session}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=480,
        gpu=1,
    params:
        settings=without(SETTINGS["streams"]["swin"], "enabled"),
        code=code_digest("react24.streams.from_pictures", "react24.streams.swin"),
    message:
        "Extracting the face embedding of session {wildcards.session}"
    script:
        "../scripts/extract_swin.py"


rule extract_mfcc:
    input:
        unpack(session_media),
        media="results/media/{session}.h5",
    output:
        features=ensure("results/features/mfcc/{session}.h5", non_empty=True),
    log:
        "logs/extract_mfcc/{session}.log",
    benchmark:
        "benchmarks_out/extract_mfcc/{session}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=without(SETTINGS["streams"]["mfcc"], "enabled"),
        code=code_digest("react24.streams.from_sound", "react24.streams.mfcc"),
    message:
        "Extracting the cepstra of session {wildcards.session}"
    script:
        "../scripts/extract_mfcc.py"


rule extract_logmel:
    input:
        unpack(session_media),
        media="results/media/{session}.h5",
    output:
        features=ensure("results/features/logmel/{session}.h5", non_empty=True),
    log:
        "logs/extract_logmel/{session}.log",
    benchmark:
        "benchmarks_out/extract_logmel/{session}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=without(SETTINGS["streams"]["logmel"], "enabled"),
        code=code_digest("react24.streams.from_sound", "react24.streams.logmel"),
    message:
        "Extracting the log-mel spectrum of session {wildcards.session}"
    script:
        "../scripts/extract_logmel.py"
