"""Recipes behind swin_fer.npz: official keys, pictures made from names.

The reference values were computed with the network of the REGNN baseline after filling its weights
by ``recipes.weights`` and feeding it ``make_images`` and ``make_picture``. Only parts of the
outputs are stored.
"""

import numpy as np
from parity import recipes

DEPTHS, HEADS, WIDTH = (2, 2, 6, 2), (3, 6, 12, 24), 96


def official_shapes():
    """Key -> shape of the parameters of the published state dict, in no special order."""
    shapes = {
        "patch_embed.proj.weight": (WIDTH, 3, 4, 4),
        "patch_embed.proj.bias": (WIDTH,),
        "head.weight": (7, 8 * WIDTH),
        "head.bias": (7,),
    }
    norms = {"patch_embed.norm": WIDTH, "norm": 8 * WIDTH}
    for stage, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
        width = WIDTH * 2**stage
        for block in range(depth):
            here = f"layers.{stage}.blocks.{block}"
            norms |= {f"{here}.norm1": width, f"{here}.norm2": width}
            shapes[f"{here}.attn.relative_position_bias_table"] = (169, heads)
            linears = {
                "attn.qkv": (3 * width, width),
                "attn.proj": (width, width),
                "mlp.fc1": (4 * width, width),
                "mlp.fc2": (width, 4 * width),
            }
            for name, shape in linears.items():
                shapes[f"{here}.{name}.weight"] = shape
                shapes[f"{here}.{name}.bias"] = shape[:1]
        if stage < 3:
            here = f"layers.{stage}.downsample"
            norms[f"{here}.norm"] = 4 * width
            shapes[f"{here}.reduction.weight"] = (2 * width, 4 * width)
    for key, width in norms.items():
        shapes |= {f"{key}.weight": (width,), f"{key}.bias": (width,)}
    return shapes


def position_index():
    """The official table, int64 (49, 49): which bias belongs to a pair of places in a window."""
    rows, columns = np.divmod(np.arange(49), 7)
    down = rows[:, None] - rows[None, :] + 6
    right = columns[:, None] - columns[None, :] + 6
    return 13 * down + right


def make_images():
    """float32 (2, 3, 224, 224) in [0, 1]: 8 x 8 blocks and noise."""
    generator = recipes.stream("input:swin_fer/public/image")
    blocks = generator.random((2, 3, 8, 8))
    noise = generator.standard_normal((2, 3, 224, 224))
    return np.clip(blocks.repeat(28, 2).repeat(28, 3) + 0.1 * noise, 0, 1).astype(np.float32)


def make_picture():
    """uint8 (256, 256, 3): 6 x 6 blocks and noise."""
    generator = recipes.stream("input:swin_fer/public/picture")
    blocks = generator.random((6, 6, 3))
    which = np.minimum(np.arange(256) * 6 // 256, 5)
    values = 255.0 * blocks[which][:, which] + 20.0 * generator.standard_normal((256, 256, 3))
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
