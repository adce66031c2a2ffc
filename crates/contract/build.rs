//! Generates the whole crate from `proto/`; the steps and what was proved of them are in
//! `docs/adr/0001-contract-generation.md`.

#[path = "build/asyncapi.rs"]
mod asyncapi;
#[path = "build/forward.rs"]
mod forward;
#[path = "build/model.rs"]
mod model;
#[path = "build/openapi.rs"]
mod openapi;
#[path = "build/routes.rs"]
mod routes;
#[path = "build/rpcs.rs"]
mod rpcs;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorSet;
use rest_over_grpc::build::{DescriptorOptions, Generator, OpenApiInfo, ServiceDefinition};

const WELL_KNOWN: (&str, &str) = (".google.protobuf", "::pbjson_types");

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new("../../proto");
    println!("cargo:rerun-if-changed={}", proto.display());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new([proto])?;
    compiler.include_imports(true).include_source_info(true).open_files(proto_files(&proto.join("godwit"))?)?;
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;
    fs::write(out.join("messages.bin"), without_comments(&descriptors)?)?;

    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .compile_well_known_types(true)
        .extern_path(WELL_KNOWN.0, WELL_KNOWN.1)
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors)?
        .preserve_proto_field_names()
        .extern_path(WELL_KNOWN.0, WELL_KNOWN.1)
        .build(&[".godwit"])?;

    let services = model::rest_services(&compiler.descriptor_pool())?;
    generate_rest(&descriptors, &services, &out)?;
    fs::write(out.join("forward.rs"), forward::render(&services))?;
    fs::write(out.join("rpcs.rs"), rpcs::render(&compiler.descriptor_pool()))?;
    fs::write(out.join("routes.rs"), routes::render(&services))?;
    let version = env::var("CARGO_PKG_VERSION")?;
    fs::write(out.join("asyncapi.json"), asyncapi::document(&compiler.descriptor_pool(), &version)?)?;
    fs::write(out.join("openapi.json"), openapi::document(&compiler.descriptor_pool(), &services, &out)?)?;
    Ok(())
}

/// The REST traits, the transcoder and one raw OpenAPI document a package.
fn generate_rest(descriptors: &[u8], services: &[model::Service], out: &Path) -> Result<(), Box<dyn Error>> {
    let options = DescriptorOptions::new().package(".godwit").extern_path(WELL_KNOWN.0, WELL_KNOWN.1);
    let definitions = ServiceDefinition::from_fds(descriptors, &options)?;
    let found: Vec<_> = definitions.iter().map(|d| (d.module_name(), d.trait_name())).collect();
    let expected: Vec<_> = services.iter().map(|s| (s.package.as_str(), s.name.as_str())).collect();
    // The transcoder takes its services by position, so both readings of the annotations must agree.
    if found != expected {
        return Err(format!("the REST generator sees {found:?}, the forwarder {expected:?}").into());
    }
    let mut generator = Generator::builder()
        .emit_tonic_bridge(false)
        .emit_openapi_spec(Some(OpenApiInfo::new("Godwit", env::var("CARGO_PKG_VERSION")?)))
        .build();
    generator.add_all(definitions);
    generator.write(out)?;
    Ok(())
}

/// The messages alone, for who reads JSON by them.
fn without_comments(descriptors: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut set = FileDescriptorSet::decode(descriptors)?;
    for file in &mut set.file {
        file.source_code_info = None;
        file.service.clear();
    }
    Ok(set.encode_to_vec())
}

/// All proto files below a folder, relative to `proto/`, in a fixed order.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
