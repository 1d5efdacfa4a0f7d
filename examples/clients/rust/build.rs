//! Makes the stubs from proto/ at build time, without protoc.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "../../../proto";
    println!("cargo::rerun-if-changed={proto}");
    let files = protox::compile(["botrunner/v1/bot_service.proto"], [proto])?;
    tonic_prost_build::configure().build_server(false).compile_fds(files)?;
    Ok(())
}
