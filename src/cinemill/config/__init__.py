"""The settings: read once at start from the environment and one file, then passed down.

``load()`` reads and checks them and reports every problem at once. The environment takes
precedence over the settings file, and the file over the defaults. Packages below ``api``,
``worker``, ``local`` and ``cli`` never import this one: they take arguments.
"""

from cinemill.config.description import SettingRow
from cinemill.config.loading import load
from cinemill.config.model import Settings, reference
from cinemill.config.running import apply_running_instance

__all__ = ["SettingRow", "Settings", "apply_running_instance", "load", "reference"]
