"""The dashboards themselves, one file or folder each; `names` says what there is, `generate` writes them."""
