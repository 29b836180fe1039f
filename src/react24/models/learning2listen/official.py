"""Official checkpoints of Learning2Listen as ours, with an emotion head fitted to clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from react24.errors import InputError
from react24.models.learning2listen.codebook import MotionCodebook
from react24.models.learning2listen.emotion import fit_emotion
from react24.models.learning2listen.predictor import CodePredictor
from react24.models.learning2listen.sequences import check_columns
from react24.models.learning2listen.settings import (
    VARIANTS,
    CodebookConfig,
    EmotionConfig,
    PredictorConfig,
    read_settings,
)
from react24.training.dataset import ClipDataset
from react24.weights import names as official_keys
from react24.weights.official_files import OfficialFile
from react24.weights.recognise import L2L_CODEBOOK, L2L_PREDICTOR


def convert(
    settings: Mapping[str, Any], files: Mapping[str, OfficialFile], clips: ClipDataset | None
) -> dict[str, dict[str, Tensor]]:
    """Weights of both stages.

    Args:
        settings: As ``read_settings`` takes them, with the sizes of the checkpoints.
        files: ``codebook``, ``predictor``, ``codebook_statistics``, ``predictor_statistics``.
        clips: Of the training split, ``motion`` and ``emotion``: official weights have no
            emotion head, so it is fitted here. None leaves it as it is, unfitted.

    Raises:
        InputError: A file is another one, or does not have the sizes of the settings.
    """
    resolved = read_settings(settings)
    if clips is not None:
        check_columns(clips, "motion", resolved.codebook.channels)
    state = files["codebook"].state(L2L_CODEBOOK)
    with files["codebook"].naming():
        codebook = load_official_codebook(state, resolved.codebook, resolved.emotion)
    state = files["predictor"].state(L2L_PREDICTOR)
    with files["predictor"].naming():
        predictor = load_official_predictor(
            state,
            resolved.predictor,
            resolved.codebook,
            sound_dim=resolved.sound_dim,
            sound_rate=resolved.sound_rate,
        )
    units = {
        "codebook_statistics": ((codebook.units, "Y"),),
        "predictor_statistics": ((predictor.speaker_units, "X"), (predictor.sound_units, "audio")),
    }
    for name, parts in units.items():
        with files[name].naming():
            for standardiser, key in parts:
                standardiser.set_official(files[name].content, key)
    if clips is not None:
        fit_emotion(
            codebook,
            clips,
            resolved.emotion,
            smooth=resolved.smooth,
            mask_invalid=resolved.codebook.mask_invalid,
            seed=0,
        )
    return {"codebook": codebook.state_dict(), "predictor": predictor.state_dict()}


def codebook_names(config: CodebookConfig) -> dict[str, str]:
    """Official key -> our name; 315 tensors at the official sizes."""
    names = _squeeze_names("encoder.squasher", "encoder.squeeze", config.squeeze)
    names |= _conv_names("decoder.expander.0", "decoder.expand.up", "decoder.expand.norm")
    for i in range(config.squeeze - 1):
        ours = f"decoder.expand.blocks.{i}"
        names |= _conv_names(f"decoder.expander.{i + 1}", f"{ours}.conv", f"{ours}.norm")
    for part in ("encoder", "decoder"):
        names |= _block_names(f"{part}.{part}_transformer", f"{part}.blocks", config.layers)
        names[f"{part}.{part}_pos_embedding.pos_embedding"] = f"{part}.position"
    layers = {
        "encoder.encoder_linear_embedding.net": "encoder.linear",
        "decoder.decoder_linear_embedding.net": "decoder.expand.linear",
        "decoder.cross_smooth_layer": "decoder.write",
    }
    names |= official_keys.of_layers(layers)
    return names | {"quantize.embedding.weight": "quantiser.codes.weight"}


def official_codebook_config(config: CodebookConfig | None = None) -> CodebookConfig:
    """Settings with the official sizes and the tokens that official checkpoints have.

    Raises:
        InputError: The settings ask for other tokens.
    """
    config = config or CodebookConfig(parts=(50, 3, 3))
    if config.tokens not in (None, "channel_blocks"):
        raise InputError(f"official checkpoints have tokens: channel_blocks, not {config.tokens}")
    defaults = VARIANTS["official"]["codebook"]
    return config.replace(**{k: v for k, v in defaults.items() if getattr(config, k) is None})


def load_official_codebook(
    state: Mapping[str, Tensor],
    config: CodebookConfig | None = None,
    emotion: EmotionConfig | None = None,
) -> MotionCodebook:
    """A codebook with the weights of an official checkpoint, in eval mode; its units stay 1.

    Args:
        state: The checkpoint's ``state_dict``, with or without ``module.`` before its keys.
        config: Sizes; the official ones, for 56 columns, where left out.
        emotion: Sizes of the emotion head, which official checkpoints do not have.

    Raises:
        InputError: Tensors are missing, unexpected or of another shape.
    """
    codebook = MotionCodebook(official_codebook_config(config), emotion)
    official_keys.load(codebook, state, codebook_names(codebook.config), what=L2L_CODEBOOK)
    return codebook.eval()


def predictor_names(config: PredictorConfig, codebook: CodebookConfig) -> dict[str, str]:
    """Official key -> our name; 125 tensors at the official sizes."""
    names = _block_names("listener_past_transformer", "past_blocks", config.past_layers or 0)
    names |= {
        "listener_past_pos_embedding.pos_embedding": "past_position",
        "listener_past_tok_embedding.weight": "past_codes.weight",
    }
    names |= official_keys.of_layers(
        {"audio_projector": "from_sound", "motion_projector": "from_motion"}
    )
    names |= {
        "audio_full_pos_embedding.pos_embedding": "sound_position",
        "motion_full_pos_embedding.pos_embedding": "motion_position",
    }
    names |= _block_names("cm_transformer", "cross_blocks", config.cross_layers, cross=True)
    names |= _squeeze_names("post_compressor", "squeeze", codebook.squeeze)
    names |= official_keys.of_layers({"post_projector": "to_speaker"})
    names |= _block_names("cross_modal_layer.transformer_layer", "blocks", config.layers)
    names |= official_keys.of_layers({"cross_modal_layer.cross_norm_layer": "norm"})
    return names | {
        "cross_modal_layer.cross_output_layer.weight": "to_logits.weight",
        "cross_modal_layer.cross_pos_embedding.pos_embedding": "position",
    }


def official_predictor_config(config: PredictorConfig | None = None) -> PredictorConfig:
    """Settings with the official sizes and the layers that official checkpoints have.

    Raises:
        InputError: The settings leave out the blocks over the past.
    """
    config = config or PredictorConfig()
    defaults = VARIANTS["official"]["predictor"]
    config = config.replace(**{k: v for k, v in defaults.items() if getattr(config, k) is None})
    if config.past_layers != defaults["past_layers"]:
        raise InputError(
            f"official checkpoints have past_layers: {defaults['past_layers']}, not "
            f"{config.past_layers}"
        )
    return config


def load_official_predictor(
    state: Mapping[str, Tensor],
    config: PredictorConfig | None = None,
    codebook: CodebookConfig | None = None,
    *,
    sound_dim: int = 128,
    sound_rate: int = 4,
) -> CodePredictor:
    """A predictor with the weights of an official checkpoint, in eval mode; its units stay 1.

    Args:
        state: The checkpoint's ``state_dict``, with or without ``module.`` before its keys.
        config: Sizes; the official ones where left out.
        codebook: Sizes of stage 1.
        sound_dim: Numbers in a row of sound.
        sound_rate: Rows of sound per frame.

    Raises:
        InputError: Tensors are missing, unexpected or of another shape.
    """
    codebook = codebook or CodebookConfig(parts=(50, 3, 3))
    sizes = {"sound_dim": sound_dim, "sound_rate": sound_rate}
    predictor = CodePredictor(official_predictor_config(config), codebook, **sizes)
    official_keys.load(
        predictor, state, predictor_names(predictor.config, codebook), what=L2L_PREDICTOR
    )
    return predictor.eval()


def _block_names(theirs: str, ours: str, layers: int, *, cross: bool = False) -> dict[str, str]:
    """Official keys of a stack of blocks, all below ``theirs`` -> our names, below ``ours``."""
    projections = ("to_q", "to_kv") if cross else ("to_qkv",)
    names = {}
    for i in range(layers):
        first, second = f"{theirs}.net.{2 * i}.fn", f"{theirs}.net.{2 * i + 1}.fn"
        attention, mlp = f"{ours}.{i}.attention", f"{ours}.{i}.mlp"
        names |= {f"{first}.fn.{p}.weight": f"{attention}.{p}.weight" for p in projections}
        pairs = {
            f"{first}.norm": f"{attention}.norm",
            f"{first}.fn.to_out": f"{attention}.to_out",
            f"{second}.norm": f"{mlp}.norm",
            f"{second}.fn.l1": f"{mlp}.widen",
            f"{second}.fn.l2": f"{mlp}.narrow",
        }
        names |= official_keys.of_layers(pairs)
    return names


def _conv_names(theirs: str, conv: str, norm: str) -> dict[str, str]:
    """Official keys of a convolution and its batch normalisation -> our names."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    names = official_keys.of_layers({f"{theirs}.0": conv, f"{theirs}.2": norm})
    return names | {f"{theirs}.2.{part}": f"{norm}.{part}" for part in statistics}


def _squeeze_names(theirs: str, ours: str, times: int) -> dict[str, str]:
    """Official keys of a ``Squeeze`` -> our names."""
    names = {}
    for i in range(times):
        names |= _conv_names(f"{theirs}.{i}", f"{ours}.blocks.{i}.conv", f"{ours}.blocks.{i}.norm")
    return names
