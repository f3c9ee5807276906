"""Training on rows that are read chunk by chunk: from disk, or from the shards of several processes."""

from convexrelu.chunked.group import Alone, Group, GroupError
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.sources import Pieces, parquet_rows, stored_rows
from convexrelu.chunked.train import train_in_chunks

__all__ = [
    "Alone",
    "ChunkedProblem",
    "Group",
    "GroupError",
    "Pieces",
    "parquet_rows",
    "stored_rows",
    "train_in_chunks",
]
