"""How mail waits: the one SQLite file, its writer, its queries, the schedule, the filter words and the runner."""
