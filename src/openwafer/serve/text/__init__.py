"""Text: tokens and characters, templates, sampling, grammars, tools."""
