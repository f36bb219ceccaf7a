"""The console: server-rendered pages for people. It reads the journal, and orders as the API does."""
