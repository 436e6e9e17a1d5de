"""Documents become sections of text: parsers of each format, and the process that runs them."""
