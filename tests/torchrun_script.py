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
    examples = Path(__file__).parent.parent / "examples"
    main = runpy.run_path(str(examples / "torchrun_train.py"))["main"]
    main.__globals__["N_SAMPLES"] = 400  # enough for two processes
    main()
    assert distributed.process_group().size == size
