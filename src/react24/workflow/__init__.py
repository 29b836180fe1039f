"""What the Snakemake workflow asks the library: digests of code, paths, failures."""
