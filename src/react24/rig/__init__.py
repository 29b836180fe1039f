"""A face rig with ARKit's 52 blend shapes, and the solve that reads them off landmarks.

`model` loads the shipped rig; `build`, `landmarks` and `shapes` make it; `render` draws a face.
`pose` finds the rigid pose of the head, `solve` the coefficients, from what `evidence` weighs.
"""
