"""How texts and tables fit into terminals: narrow, wide, colourless, dumb, or none at all."""
