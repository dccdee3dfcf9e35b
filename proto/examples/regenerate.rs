//! Writes `src/generated/` from the `.proto` files.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = protox::compile([root.join("colony/v1/envelope.proto")], [root])?;
    let out = match std::env::args_os().nth(1) {
        Some(folder) => folder.into(),
        None => root.join("src/generated"),
    };
    prost_build::Config::new().bytes(["."]).out_dir(out).compile_fds(files)?;
    Ok(())
}
