"""Where images come from: synthetic photographs, the origin server, the sources, and what is expected of them."""
