"""What `airwarden check` examines. Checks return findings as data; the command prints them."""
