"""Turns of the relay: which runs go out, how soon one follows another, and what is held back."""
