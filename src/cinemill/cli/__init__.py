"""The command line: one file per group of commands. Heavy imports happen inside commands, so that
``cinemill --help`` and completion answer at once."""
