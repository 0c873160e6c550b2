"""Read a file and its compressed copies with netCDF4-python; print sizes and errors, one line a copy."""

import os
import sys

import netCDF4
import numpy as np


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files)


def values(variable):
    variable.set_auto_maskandscale(False)
    return np.asarray(variable[...])


original, packed, store, back = sys.argv[1:]
print(f"{'variable':<16} {'copy':<22} {'copy size':>12} {'file ratio':>10} {'max error':>10} {'NRMSE':>10}")
failed = False
with netCDF4.Dataset(original) as a:
    # Against the values as they are in memory: the original may be compressed itself.
    raw = sum(v.size * v.dtype.itemsize for v in a.variables.values() if v.dtype != str)
    names = [n for n, v in a.variables.items() if v.ndim >= 2 and v.dtype != str and v.dtype.kind == "f"]
    for label, stored, path in (("netCDF + HDF5 filter", packed, packed), ("Zarr", store, back)):
        with netCDF4.Dataset(path) as b:
            for name in names:
                x, y = values(a[name]).astype("f8"), values(b[name]).astype("f8")
                failed |= x.shape != y.shape or not np.array_equal(np.isfinite(x), np.isfinite(y))
                ok = np.isfinite(x) & (np.abs(x) < 1e30)
                error = np.abs(x - y)[ok]
                span = np.ptp(x[ok]) or 1.0
                nrmse = np.sqrt(np.mean(error**2)) / span
                print(f"{name:<16} {label:<22} {size(stored):>12,} {raw / size(stored):>10.2f} {error.max():>10.3g} {nrmse:>10.2e}")
sys.exit(failed)
