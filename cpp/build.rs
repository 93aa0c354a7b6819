//! Compiles the bridge to verilated models, and tells the linker where LibTorch will be found at run time.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    let bridges = ["src/verify/verilator/bridge.rs", "src/verify/fpga/bridge.rs"];
    build("salv-bridge", &bridges, &["cpp/src/bridge.cpp", "cpp/src/board.cpp"], &[]);
    // The folder's name comes from the build of torch-sys, which does not run without the feature `train`.
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    if let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) {
        let bridges = ["src/model/torch.rs", "src/train/bridge.rs"];
        let files = ["cpp/src/library.cpp", "cpp/src/optimizer.cpp", "cpp/src/ranks.cpp"];
        build("salv-torch-bridge", &bridges, &files, &headers(&folder));
        find_at_run_time(&folder);
    }
    println!("cargo:rustc-link-lib=dl");
}

/// Compiles C++ files and what cxx makes of bridges into a library of its own, with warnings for ours alone.
fn build(name: &str, bridges: &[&str], files: &[&str], foreign_headers: &[PathBuf]) {
    let mut build = cxx_build::bridges(bridges);
    build.files(files).include("cpp/include").std("c++17");
    build.flag_if_supported("-Wall").flag_if_supported("-Wextra");
    for folder in foreign_headers {
        build.flag("-isystem").flag(folder);
    }
    build.compile(name);
}

/// LibTorch's headers: where `LIBTORCH_INCLUDE` says, as torch-sys has it, or beside its libraries.
fn headers(libraries: &Path) -> [PathBuf; 2] {
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    let root = std::env::var_os("LIBTORCH_INCLUDE").map(PathBuf::from);
    let folder = root.unwrap_or_else(|| libraries.join("..")).join("include");
    [folder.join("torch/csrc/api/include"), folder]
}

/// Writes LibTorch's folder into the program and the tests, so that they need no `LD_LIBRARY_PATH`; with links
/// resolved, because the one in the clone may go and the program stay.
fn find_at_run_time(libraries: &Path) {
    let folder = libraries.canonicalize().unwrap_or_else(|_| libraries.to_owned());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
}
