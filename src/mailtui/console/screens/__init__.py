"""The screens, one module each; they share the link and the app, and do not know each other."""
