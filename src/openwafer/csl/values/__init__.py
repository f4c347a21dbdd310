"""Types and values of CSL, and what one does with them."""
