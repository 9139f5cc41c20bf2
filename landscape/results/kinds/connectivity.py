"""Kinds of results about paths between networks."""

from landscape.results.kinds.record import Kind, Option

CONNECT = Kind(
    "connect",
    "Barriers and similarity between trained networks.",
    variables=("nll", "barrier", "mc", "distance"),
    recipe="landscape.analyses.connect:connect",
    chapter="connectivity",
    resumes=True,
    split="train",
    needs="other networks of the same architecture",
    several=2,
    opposite=True,
    answer="landscape.analyses.connections:summary",
    options=(
        Option("points", "Points of each path, both ends included.", 11, least=3),
        Option(
            "align", "Also align the networks modulo permutation, and measure the line to the copy.", False
        ),
        Option(
            "matching",
            "Units are matched by weights or by activations.",
            "weights",
            ("weights", "activations"),
        ),
        Option("repair", "On the aligned line put means and spreads of units right (REPAIR).", False),
        Option("curve", "Also train a curve between the networks.", "none", ("none", "bezier", "polygon")),
        Option("curve_steps", "Steps of SGD that train a curve.", 300, least=1),
        Option("curve_rate", "Peak learning rate of a curve.", 0.02, least=0.0),
        Option(
            "plane",
            "Points per side of a plane through both ends and the bend or copy; 0 is none.",
            0,
            least=0,
        ),
        Option("mixup", "Compare outputs and layers on mixed images instead.", False),
    ),
)
