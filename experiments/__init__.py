"""The studies: data, tasks, models and figures around `paramspace`."""
