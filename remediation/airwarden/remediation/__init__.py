"""From a firing alert to a verified remedy or a page: inbox, incidents, guards, actions, journal."""
