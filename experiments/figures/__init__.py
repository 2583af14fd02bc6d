"""Results of a study as a table, a summary and a drawing."""
