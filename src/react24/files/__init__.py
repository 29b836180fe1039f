"""The HDF5 files that stages write and read."""
