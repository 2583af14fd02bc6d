"""The programs that studies train with, and the loop that resumes them."""
