"""What a person may set: read once by the shells, from the environment and one file.

``load()`` gathers, checks everything and names every problem at once; the environment wins over
the settings file, the file over the defaults. Floors below ``api``, ``worker``, ``local`` and
``cli`` never import this package: they take arguments.
"""

from cinemill.config.description import SettingRow
from cinemill.config.loading import load
from cinemill.config.model import Settings, reference
from cinemill.config.running import apply_running_instance

__all__ = ["SettingRow", "Settings", "apply_running_instance", "load", "reference"]
