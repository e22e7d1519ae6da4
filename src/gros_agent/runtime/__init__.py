"""The basis of all other rooms: processes, threads, time limits, files, logs and masking of secrets."""
