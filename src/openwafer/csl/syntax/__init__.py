"""CSL text to syntax trees, and back to text."""
