//! Compiles the bridge to verilated models, and tells the linker where LibTorch will be found at run time.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    let (mut bridges, mut files) =
        (vec!["src/verify/verilator/bridge.rs"], vec!["cpp/src/bridge.cpp"]);
    if std::env::var_os("CARGO_FEATURE_TRAIN").is_some() {
        bridges.push("src/model/torch.rs");
        files.push("cpp/src/library.cpp");
    }
    cxx_build::bridges(bridges)
        .files(files)
        .include("cpp/include")
        .std("c++17")
        .flag_if_supported("-Wall")
        .flag_if_supported("-Wextra")
        .compile("salv-bridge");
    println!("cargo:rustc-link-lib=dl");
    find_libtorch_at_run_time();
}

/// Writes LibTorch's folder into the program and the tests, so that they need no `LD_LIBRARY_PATH`; with links
/// resolved, because the one in the clone may go and the program stay. The folder's name comes from the build
/// of torch-sys, which does not run without the feature `train`.
fn find_libtorch_at_run_time() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else { return };
    let folder = folder.canonicalize().unwrap_or(folder);
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
}
