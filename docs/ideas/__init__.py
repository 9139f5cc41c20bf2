"""The five pictures of docs/five-pictures.md, each of shipped measurements or of an exact toy function.

    python -m docs.ideas

writes docs/images/ideas. Nothing is trained or measured; `tests/notebooks/test_pictures.py` draws them again
and compares.
"""
