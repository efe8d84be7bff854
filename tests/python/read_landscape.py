"""Opens a landscape as its readers would, any warning being an error, and prints what it sees as JSON.

    read_landscape.py STORE QUANTITY AXIS=VALUE…
"""
import json, sys, warnings

warnings.simplefilter("error")
import xarray

ds = xarray.open_zarr(sys.argv[1])
at = {name: float(value) for name, value in (word.split("=") for word in sys.argv[3:])}
value = ds[sys.argv[2]].sel(at, method="nearest")

print(json.dumps({
    "value": float(value),
    "at": {name: float(value[name]) for name in at},
    "sizes": dict(ds.sizes),
    "coordinates": {name: ds[name].values.tolist() for name in ds.sizes},
    "units": {name: ds[name].attrs.get("units") for name in ds.sizes},
    "dimensions": {name: list(ds[name].dims) for name in ds.data_vars},
    "quantities": {name: ds[name].attrs.get("quantity") for name in ds.data_vars},
    "types": {name: str(ds[name].dtype) for name in ds.data_vars},
    "sums": {name: float(ds[name].sum(skipna=True)) for name in ds.data_vars},
    "missing": {name: int(ds[name].isnull().sum()) for name in ds.data_vars},
    "attributes": {name: value for name, value in ds.attrs.items() if name != "greybox"},
    "fixed": ds.attrs["greybox"]["fixed"],
}))
