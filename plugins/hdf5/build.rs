//! Link flags of the plugin.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // HDF5 closes plugins when it shuts down; the process may still hold pointers into this one.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
