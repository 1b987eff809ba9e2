"""The command line, with one module for each group of commands.

Heavy imports happen inside commands, so that ``cinemill --help`` and completion are fast.
"""
