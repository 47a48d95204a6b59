"""The commands `inferential contract`, `replay` and `record`; one module each."""
