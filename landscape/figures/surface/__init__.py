"""Figures of the loss around trained weights: planes, lines, sequences and training."""
