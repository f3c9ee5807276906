"""Run by torchrun in `test_distributed.py`: writes what each process has found, and runs the example."""

import os
import pickle
import runpy
import sys
from pathlib import Path

from convexrelu import distributed
from tests.chunked.processes import fitted, trained

if __name__ == "__main__":
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    folder = Path(sys.argv[1])
    found = trained(rank, size, None), fitted(rank, size, None)
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(found))
    runpy.run_path(
        str(Path(__file__).parent.parent / "examples" / "torchrun_train.py"), run_name="__main__"
    )
    assert distributed.process_group().size == size
