"""The acts that a playbook may name, one file per kind of target."""
