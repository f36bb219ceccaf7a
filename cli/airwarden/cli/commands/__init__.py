"""The commands, one file each. Their modules stay light: what a command needs it imports when run."""
