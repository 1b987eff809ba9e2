"""The audio of a render: mixing and overlays."""
