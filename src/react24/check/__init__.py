"""``react24 check``: a look at every recording with the code that the jobs run, before any runs."""
