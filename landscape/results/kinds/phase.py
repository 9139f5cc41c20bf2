"""Kind of result of the map of networks over a grid of two fields."""

from landscape.results.kinds.record import Kind

PHASE = Kind(
    "phase",
    "Local and global measures of networks over a grid of two fields of their training records.",
    variables=("test_acc",),
    recipe="landscape.analyses.phase:phase",
    chapter="surface",
    command="landscape phase DIR",
    resumes=True,
    split="train",
    needs="networks over a grid, with their training records",
)
