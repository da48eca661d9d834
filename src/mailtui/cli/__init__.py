"""The verbs of the command line: parse, ask once, print. What is heavy is imported by the verb that needs it."""
