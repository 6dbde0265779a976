"""An app of a project whose rows refer to rows of this app. Tests install it, see `installed.py`."""
