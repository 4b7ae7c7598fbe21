"""Small files of features as NumPy, pyarrow and safetensors write them, for crates/data/src/table/features/tests.rs.

Run from the repository root: python tests/reference/feature_tables.py
"""
import json
import os
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

FOLDER = "crates/data/src/table/features/stored"
ROWS = 6


def main():
    os.makedirs(FOLDER, exist_ok=True)
    at = lambda name: os.path.join(FOLDER, name)
    x = (np.arange(ROWS * 3).reshape(ROWS, 3) / 4 - 1).astype(np.float64)
    deep = np.arange(ROWS * 2).reshape(ROWS, 2)
    names = np.array(["oak", "beech", "oak", "beech", "", "ash"])
    domain = np.array(["day", "day", "night", "night", "night", "day"])
    split = np.array(["train", "train", "test", "test", "train", "train"])
    np.savez(at("whole.npz"), features=x.astype(np.float32), deep=deep.astype(np.uint8), labels=names, domain=domain,
             split=split, group=np.array([1, 1, 2, 2, 3, 4], np.int16))
    np.savez_compressed(at("numbered.npz"), features=np.asfortranarray(x), label=np.array([2, 0, 2, 0, -1, 10], np.int64))
    np.savez(at("half.npz"), features=x.astype(">f4"), low=x.astype(np.float16), label=np.array([1, 0, 1, 0, 1, 0], np.uint8),
             classes=np.array(["no", "yes"]))
    np.save(at("features.npy"), x)
    np.save(at("labels.npy"), np.array([True, False, True, False, True, False]))
    save_file({"amazon.x": deep[:4].astype(np.uint8), "amazon.y": np.array([0, 1, 0, 1]),
               "webcam.x": deep[4:].astype(np.uint8), "webcam.y": np.array([1, 0])}, at("pairs.safetensors"))
    save_file({"features": x.astype(np.float32), "label": np.array([1, 0, 1, 0, 1, 0]),
               "domain": np.array([0, 0, 1, 1, 1, 0])}, at("named.safetensors"),
              metadata={"classes": json.dumps(["no", "yes"]), "domains": json.dumps(["day", "night"])})
    table = pa.table({"label": names, "embedding": [row.tolist() for row in x], "size": pa.array(deep[:, 0]),
                      "weight": pa.array(x[:, 1]), "domain": domain})
    pq.write_table(table, at("lists.parquet"), row_group_size=4)
    ragged = pa.table({"label": names, "embedding": [[1.0, 2.0]] * 4 + [[1.0]] + [[2.0, 3.0]]})
    pq.write_table(ragged, at("ragged.parquet"))
    holes = pa.table({"label": names, "a": pa.array([1.0, 2.0, None, 4.0, 5.0, 6.0])})
    pq.write_table(holes, at("holes.parquet"))
    # Broken on purpose.
    bad = x.copy()
    bad[3, 1] = np.nan
    np.savez(at("nan.npz"), features=bad, label=names)
    np.savez(at("short.npz"), features=x, label=names[:5])
    np.savez(at("cube.npz"), features=x.reshape(ROWS, 3, 1), label=names)
    np.savez(at("bare.npz"), features=x)
    np.savez(at("objects.npz"), features=x, label=np.array(["a", 1, None, 2, 3, 4], object))


main()
