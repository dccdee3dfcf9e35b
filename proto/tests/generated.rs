//! Holds the checked-in code against the `.proto` files.

#[test]
fn generated_code_is_current() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir()?;
    let files = protox::compile([root.join("colony/v1/envelope.proto")], [root])?;
    prost_build::Config::new().bytes(["."]).out_dir(fresh.path()).compile_fds(files)?;
    let expected = std::fs::read_to_string(fresh.path().join("colony.v1.rs"))?;
    let actual = std::fs::read_to_string(root.join("src/generated/colony.v1.rs"))?;
    assert!(
        expected == actual,
        "src/generated is stale: run `cargo run -p colony-proto --example regenerate`"
    );
    Ok(())
}
