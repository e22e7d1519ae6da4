"""Processes, threads, time limits, files, logs and masking: what every other room stands on."""
