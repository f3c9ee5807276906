"""Pricing over the patterns of one finite program."""
