"""A face rig with the 52 blend shapes that ARKit names, and the solve that reads them off landmarks.

`model` loads the shipped rig, `build` and `shapes` make it, `pose` finds the rigid pose of the head,
`solve` finds the shape coefficients.
"""
