"""Our weights under the names and in the shapes of official files, for tests of reading them."""

import torch

from react24.models.belfusion import denoiser
from react24.models.belfusion import vae as belfusion_vae
from react24.models.learning2listen import official as learning2listen
from react24.models.regnn import official as regnn
from react24.models.transvae import official as transvae


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
    names, aliases = denoiser.official_names(ldm.config)
    state = _renamed(ldm.denoiser, names)
    return state | {alias: state[key] for alias, key in aliases.items()}


def export_transvae(model):
    """State_dict of Trans-VAE, without the table of position codes and what is unused offline."""
    state = _renamed(model, transvae.official_names(model.config.online))
    return {key: value.unsqueeze(2) if value.ndim == 4 else value for key, value in state.items()}


def export_regnn(network):
    """State_dict of REGNN, with the buffers that have no effect."""
    state = _renamed(network, regnn.official_names(network.config))
    for key, dim in regnn._extra_dimensions(network.config).items():
        state[key] = state[key].unsqueeze(dim)
    for key in regnn.NO_TENSORS:
        state[key] = torch.full((1,), 2.0) if key.endswith("version") else torch.zeros(1)
    return state


def export_codebook(codebook):
    """State_dict of stage 1 of Learning2Listen."""
    return _renamed(codebook, learning2listen.codebook_names(codebook.config))


def export_predictor(predictor):
    """State_dict of stage 2 of Learning2Listen."""
    names = learning2listen.predictor_names(predictor.config, predictor.codebook)
    return _renamed(predictor, names)
