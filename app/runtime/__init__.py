"""What lives as long as the process: the open database, generations in use, priorities."""
