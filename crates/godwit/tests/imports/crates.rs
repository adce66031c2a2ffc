//! The rules between crates, over what `cargo metadata` says.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// A crate, and those that it depends on.
#[derive(Clone, Debug)]
struct Crate {
    name: String,
    /// Its folder within the workspace, such as `services/auth`.
    folder: String,
    /// What the product is built with.
    dependencies: BTreeSet<String>,
    /// What its tests and build scripts are built with besides.
    for_tests: BTreeSet<String>,
}

/// The Godwit crates that a shared crate may be built with.
const SHARED: [(&str, &[&str]); 10] = [
    ("godwit-kernel", &[]),
    ("godwit-contract", &["godwit-kernel"]),
    ("godwit-pg", &["godwit-kernel"]),
    ("godwit-live", &["godwit-kernel"]),
    ("godwit-outbound", &[]),
    ("godwit-rpc", &["godwit-kernel", "godwit-contract"]),
    ("godwit-events", &["godwit-kernel", "godwit-contract", "godwit-pg"]),
    (
        "godwit-runtime",
        &["godwit-kernel", "godwit-contract", "godwit-rpc", "godwit-pg", "godwit-events", "godwit-live"],
    ),
    ("godwit-client", &["godwit-kernel", "godwit-contract"]),
    ("godwit-testkit", &["godwit-kernel", "godwit-pg"]),
];

/// The Godwit crates that a service may be built with.
const FOR_SERVICES: [&str; 8] = [
    "godwit-kernel",
    "godwit-contract",
    "godwit-rpc",
    "godwit-pg",
    "godwit-events",
    "godwit-live",
    "godwit-outbound",
    "godwit-runtime",
];

/// Libraries with one home each: who may be built with them.
const HOMES: [(&[&str], &[&str]); 6] = [
    (&["rdkafka"], &["godwit-events"]),
    (&["redis", "deadpool-redis"], &["godwit-live"]),
    (&["actix-web", "actix-http", "actix-server", "actix-ws", "actix-multipart"], &["godwit-gateway"]),
    (&["rusty-s3", "s3s", "s3s-fs"], &["godwit-media"]),
    (&["openraft", "redb"], &["godwit-call-signaling"]),
    (
        &["diesel", "diesel-async", "diesel_migrations", "tokio-postgres"],
        &[
            "godwit-pg",
            "godwit-events",
            "godwit-testkit",
            "godwit-auth",
            "godwit-chat",
            "godwit-message",
            "godwit-media",
            "godwit-presence",
            "godwit-call-signaling",
            "godwit-push",
            "godwit-search",
        ],
    ),
];

/// What the kernel must do without: it has no IO and no async.
const NOT_IN_KERNEL: [&str; 5] = ["tokio", "futures-util", "tonic", "async-trait", "tracing"];

fn workspace() -> Vec<Crate> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let root = metadata.workspace_root.clone();
    metadata.packages.iter().map(|package| Crate::of(package, root.as_str())).collect()
}

impl Crate {
    fn of(package: &cargo_metadata::Package, root: &str) -> Self {
        let manifest = package.manifest_path.as_str();
        let folder = manifest.trim_start_matches(root).trim_start_matches('/').trim_end_matches("/Cargo.toml");
        let names = |wanted: fn(DependencyKind) -> bool| {
            let found = package.dependencies.iter().filter(|dependency| wanted(dependency.kind));
            found.map(|dependency| dependency.name.clone()).collect()
        };
        Self {
            name: package.name.to_string(),
            folder: folder.to_owned(),
            dependencies: names(|kind| kind == DependencyKind::Normal),
            for_tests: names(|kind| kind != DependencyKind::Normal),
        }
    }

    fn is_service(&self) -> bool {
        self.folder.starts_with("services/")
    }
}

/// Whose tests ask whose table of rights: a copy of it would be another table, and the tests would hold that.
const TABLES_FOR_TESTS: [(&str, &str); 1] = [("godwit-message", "godwit-chat")];

/// Every breach of the rules, in words.
fn violations(crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    let services: BTreeSet<&str> = crates.iter().filter(|c| c.is_service()).map(|c| c.name.as_str()).collect();
    let shared: BTreeMap<&str, &[&str]> = SHARED.into_iter().collect();
    for this in crates {
        let mut refuse = |dependency: &str, rule: &str| {
            found.push(format!("{} depends on {dependency}: {rule}", this.name));
        };
        let is_runner = this.name == "godwit";
        let is_foreign = |name: &&String| !TABLES_FOR_TESTS.contains(&(this.name.as_str(), name.as_str()));
        for dependency in this.dependencies.iter().chain(this.for_tests.iter().filter(is_foreign)) {
            if services.contains(dependency.as_str()) && !is_runner {
                refuse(dependency, "only crates/godwit imports services");
            }
        }
        for dependency in this.dependencies.iter().filter(|name| name.starts_with("godwit-")) {
            let name = dependency.as_str();
            if name == "godwit-testkit" && !this.folder.starts_with("tests/") {
                refuse(name, "only tests use the testkit");
            } else if let Some(allowed) = shared.get(this.name.as_str()) {
                if !allowed.contains(&name) {
                    refuse(name, "the shared crates depend downwards only");
                }
            } else if this.is_service() && !FOR_SERVICES.contains(&name) && !services.contains(name) {
                refuse(name, "not a crate that services are built on");
            }
        }
        for (libraries, homes) in HOMES {
            for library in libraries.iter().filter(|library| this.dependencies.contains(**library)) {
                if !homes.contains(&this.name.as_str()) {
                    refuse(library, "it has another home");
                }
            }
        }
        if this.name == "godwit-kernel" {
            for library in NOT_IN_KERNEL.iter().filter(|library| this.dependencies.contains(**library)) {
                refuse(library, "the kernel has no IO and no async");
            }
        }
    }
    found
}

#[test]
fn crates_import_only_what_they_may() {
    let crates = workspace();
    assert!(crates.len() > 18, "the workspace was not found: {crates:?}");
    let found = violations(&crates);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_shared_crate_has_a_rule() {
    let crates = workspace();
    let ruled: BTreeSet<&str> = SHARED.into_iter().map(|(name, _)| name).collect();
    for shared in crates.iter().filter(|c| c.folder.starts_with("crates/") && c.name != "godwit") {
        assert!(ruled.contains(shared.name.as_str()), "{} is not in the table", shared.name);
    }
}

#[test]
fn planted_dependencies_are_found() {
    let planted = [
        ("godwit-auth", "godwit-chat", "only crates/godwit imports services"),
        ("godwit-auth", "godwit-client", "not a crate that services are built on"),
        ("godwit-auth", "rdkafka", "it has another home"),
        ("godwit-auth", "godwit-testkit", "only tests use the testkit"),
        ("godwit-gateway", "diesel", "it has another home"),
        ("godwit-gateway", "deadpool-redis", "it has another home"),
        ("godwit-message", "actix-web", "it has another home"),
        ("godwit-message", "rusty-s3", "it has another home"),
        ("godwit-push", "openraft", "it has another home"),
        ("godwit-kernel", "tokio", "the kernel has no IO and no async"),
        ("godwit-live", "godwit-contract", "the shared crates depend downwards only"),
        ("godwit-outbound", "godwit-runtime", "the shared crates depend downwards only"),
        ("godwit-rpc", "godwit-pg", "the shared crates depend downwards only"),
        ("godwit-runtime", "godwit-message", "only crates/godwit imports services"),
    ];
    for (name, dependency, rule) in planted {
        let mut crates = workspace();
        let this = crates.iter_mut().find(|c| c.name == name).unwrap();
        this.dependencies.insert(dependency.to_owned());
        let found = violations(&crates);
        let wanted = format!("{name} depends on {dependency}: {rule}");
        assert!(found.contains(&wanted), "{wanted} is not in {found:?}");
    }
    let mut crates = workspace();
    crates.iter_mut().find(|c| c.name == "godwit-search").unwrap().for_tests.insert("godwit-message".to_owned());
    assert_eq!(violations(&crates).len(), 1, "tests of a service do not import another one either");
}
