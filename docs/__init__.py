"""Text of the documentation, and what makes its pictures and pages."""
