"""Who is connected to what, and where each message goes."""
