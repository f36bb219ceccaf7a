"""The exporters that ours is measured beside."""
