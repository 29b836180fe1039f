"""Variables of the environment that say where weights are kept, and who may fetch them."""

FOLDER_VARIABLE = "REACT24_WEIGHTS"
"""Names another folder than ``resources/weights``, such as one that a group shares."""

FETCH_VARIABLE, NEVER = "REACT24_FETCH", "never"
"""Its value in the jobs of a run, which find their weights or fail: the run fetches them once,
before its first job, and nodes of a cluster have no connection."""
