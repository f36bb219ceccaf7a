"""`airwarden up`: all of Airwarden on one machine, as child processes of one that watches them."""
