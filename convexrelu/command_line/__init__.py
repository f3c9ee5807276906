"""The command ``convexrelu``: models of CSV files, without Python code."""
