"""A workstation of our own: it registers with any tunnel server and answers with canned agents."""
