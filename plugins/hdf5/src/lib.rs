//! HDF5 filter plugin.
