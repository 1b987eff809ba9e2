"""Previews: stills, contact sheets and animated previews."""
