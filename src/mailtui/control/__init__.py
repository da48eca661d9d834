"""The window: typed requests an operator may make, and the HTTP server and client that carry them on a Unix socket."""
