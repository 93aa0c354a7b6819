//! Compiles the bridge to verilated models.

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    cxx_build::bridge("src/verify/verilator/bridge.rs")
        .file("cpp/src/bridge.cpp")
        .include("cpp/include")
        .std("c++17")
        .flag_if_supported("-Wall")
        .flag_if_supported("-Wextra")
        .compile("salv-bridge");
    println!("cargo:rustc-link-lib=dl");
}
