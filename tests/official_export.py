"""Our weights under the names and in the shapes of official files, for tests of reading them."""

import torch

from react24.models import (
    belfusion_denoiser,
    belfusion_vae,
    regnn_official,
    transvae_official,
    tranvae_official,
)


def _renamed(module, names):
    """Copies, on the CPU, under the official keys of the table."""
    state = module.state_dict()
    return {key: state[ours].detach().cpu().clone() for key, ours in names.items()}


def export_vae(vae):
    """State_dict and statistics of stage 1 of BeLFusion."""
    statistics = _renamed(vae, belfusion_vae._STATISTICS)
    state = _renamed(vae, belfusion_vae.OFFICIAL_VAE)
    return state, statistics | {"var": statistics["std"] ** 2}


def export_ldm(ldm):
    """State_dict of stage 2 of BeLFusion; tensors with two names are there under both."""
    names, aliases = belfusion_denoiser.official_names(ldm.config)
    state = _renamed(ldm.denoiser, names)
    return state | {alias: state[key] for alias, key in aliases.items()}


def export_transvae(model):
    """State_dict of Trans-VAE, without the table of position codes and what is unused offline."""
    state = _renamed(model, transvae_official.official_names(model.config.online))
    return {key: value.unsqueeze(2) if value.ndim == 4 else value for key, value in state.items()}


def export_regnn(network):
    """State_dict of REGNN, with the buffers that have no effect."""
    state = _renamed(network, regnn_official.official_names(network.config))
    for key, dim in regnn_official._extra_dimensions(network.config).items():
        state[key] = state[key].unsqueeze(dim)
    for key in regnn_official.NO_TENSORS:
        state[key] = torch.full((1,), 2.0) if key.endswith("version") else torch.zeros(1)
    return state


def export_codebook(codebook):
    """State_dict of stage 1 of Learning2Listen."""
    return _renamed(codebook, tranvae_official.codebook_names(codebook.config))


def export_predictor(predictor):
    """State_dict of stage 2 of Learning2Listen."""
    names = tranvae_official.predictor_names(predictor.config, predictor.codebook)
    return _renamed(predictor, names)
