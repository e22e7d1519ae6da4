"""The report: questions to the views of a database, charts of the answers, and one page that has all of it."""
