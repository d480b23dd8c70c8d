"""Where images come from: synthetic photographs, the origin server, sources, and what must come of them."""
