//! The rules between the rooms of a service, over the paths in its sources.

use std::path::{Path, PathBuf};

use crate::paths;

/// What a room must not mention: rooms of its own service, and crates.
struct Room {
    name: &'static str,
    rooms: &'static [&'static str],
    crates: &'static [&'static str],
}

/// Rooms that face outwards: nothing imports them but `lib.rs`.
const ROOMS: [Room; 7] = [
    Room {
        name: "domain",
        rooms: &["store", "app", "grpc", "events", "workers", "clients", "http", "ws", "config"],
        crates: &[
            "godwit_contract",
            "godwit_rpc",
            "godwit_pg",
            "godwit_events",
            "godwit_live",
            "godwit_runtime",
            "tonic",
            "tokio",
            "anyhow",
        ],
    },
    Room {
        name: "store",
        rooms: &["app", "grpc", "events", "workers", "clients", "http", "ws"],
        crates: &["godwit_rpc", "godwit_live", "godwit_runtime", "tonic"],
    },
    Room { name: "clients", rooms: &["store", "app", "grpc", "events", "workers"], crates: &["godwit_pg"] },
    Room { name: "app", rooms: &["grpc", "events::incoming", "workers", "http", "ws"], crates: &["tonic_health"] },
    Room { name: "grpc", rooms: &["store", "events::incoming", "workers"], crates: &["godwit_pg"] },
    Room { name: "events::incoming", rooms: &["store", "grpc", "workers"], crates: &["godwit_pg", "tonic"] },
    Room { name: "workers", rooms: &["store", "grpc", "events::incoming"], crates: &[] },
];

/// A package, and the room of it: `None` means the whole package.
type Place = (&'static str, Option<&'static str>);

/// Crates with one room each, in whatever service.
const HOMES: [(&[&str], &[Place]); 5] = [
    (
        &["diesel", "diesel_async", "diesel_migrations", "tokio_postgres"],
        &[
            ("crates/pg", None),
            ("crates/testkit", None),
            ("crates/events", Some("store")),
            ("services/*", Some("store")),
        ],
    ),
    (&["rdkafka"], &[("crates/events", Some("kafka"))]),
    (&["redis", "deadpool_redis"], &[("crates/live", Some("redis"))]),
    (&["actix_web", "actix_http", "actix_server", "actix_ws", "actix_multipart"], &[("services/gateway", None)]),
    (&["openraft", "redb"], &[("services/call-signaling", Some("raft"))]),
];

/// A source file, and where it stands.
struct Source {
    /// The crate's folder, such as `services/auth`.
    package: String,
    /// The modules from the crate's root, such as `["app", "send_message"]`.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn planted(package: &str, module: &str, text: &str) -> Self {
        let module = module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self { package: package.to_owned(), module, text: text.to_owned() }
    }

    /// The room that the file belongs to, as the rules name it.
    fn room(&self) -> Option<&'static Room> {
        ROOMS.iter().find(|room| starts_with(&self.module, room.name))
    }

    fn violations(&self) -> Vec<String> {
        let module: Vec<&str> = self.module.iter().map(String::as_str).collect();
        let mut found = Vec::new();
        for path in paths::of_source(&self.text, &module) {
            let Some((first, rest)) = path.split_first() else { continue };
            let is_refused = match first.as_str() {
                "crate" => self.refuses_room(rest),
                name => self.refuses_crate(name),
            };
            if is_refused {
                found.push(format!("{}: {} mentions {}", self.package, self.module.join("::"), path.join("::")));
            }
        }
        found
    }

    fn refuses_room(&self, path: &[String]) -> bool {
        let in_service = self.package.starts_with("services/");
        in_service && self.room().is_some_and(|room| room.rooms.iter().any(|denied| starts_with(path, denied)))
    }

    fn refuses_crate(&self, name: &str) -> bool {
        let in_service = self.package.starts_with("services/");
        let room_denies = in_service && self.room().is_some_and(|room| room.crates.contains(&name));
        let lives_elsewhere = HOMES.iter().any(|(crates, homes)| {
            crates.contains(&name) && !homes.iter().any(|(package, room)| self.is_in(package, *room))
        });
        room_denies || lives_elsewhere
    }

    fn is_in(&self, package: &str, room: Option<&str>) -> bool {
        let right_package = match package.strip_suffix("/*") {
            Some(folder) => self.package.starts_with(folder),
            None => self.package == package,
        };
        right_package && room.is_none_or(|room| starts_with(&self.module, room))
    }
}

/// Whether a path begins with a room's name; `events` covers `events::incoming` too.
fn starts_with(path: &[String], room: &str) -> bool {
    let room: Vec<&str> = room.split("::").collect();
    path.len() >= room.len() && room.iter().zip(path).all(|(a, b)| a == b)
}

/// The sources of all crates and services, without their tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut found = Vec::new();
    for group in ["crates", "services"] {
        for package in std::fs::read_dir(root.join(group)).unwrap() {
            let package = package.unwrap();
            let src = package.path().join("src");
            let name = format!("{group}/{}", package.file_name().to_str().unwrap());
            for file in rust_files(&src) {
                let module = module_of(file.strip_prefix(&src).unwrap());
                found.push(Source { package: name.clone(), module, text: std::fs::read_to_string(&file).unwrap() });
            }
        }
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// `app/send_message.rs` is `app::send_message`, `app/mod.rs` is `app`, `lib.rs` is the root. A room's own tests are
/// left out.
fn module_of(file: &Path) -> Vec<String> {
    let without_ending = file.with_extension("");
    let mut module: Vec<String> = without_ending.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

#[test]
fn rooms_import_only_what_they_may() {
    let sources = sources();
    assert!(sources.len() > 200, "only {} sources were found", sources.len());
    let found: Vec<String> = sources.iter().flat_map(Source::violations).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn planted_imports_are_found() {
    for (package, module, text) in [
        ("services/auth", "domain::password", "use crate::store::Store;"),
        ("services/auth", "domain", "fn f(p: godwit_pg::Pool) {}"),
        ("services/auth", "store::accounts", "use crate::{domain::Account, app::App};"),
        ("services/auth", "store", "use super::grpc::Server;"),
        ("services/auth", "app::login", "fn f() { crate::grpc::encode(); }"),
        ("services/auth", "app::login", "use diesel::prelude::*;"),
        ("services/auth", "app", "type E = diesel::result::Error;"),
        ("services/auth", "grpc::login", "use crate::store::accounts::find;"),
        ("services/chat", "events::incoming", "use crate::store;\nfn f() { crate::store::x() }"),
        ("services/chat", "workers::sweep", "use crate::store::chats;"),
        ("services/chat", "clients", "use crate::app::App;"),
        ("services/push", "app", "use rdkafka::producer::Producer;"),
        ("services/push", "app", "let x = redis::cmd();"),
        ("services/media", "app", "use actix_web::web;"),
        ("services/call-signaling", "app", "use openraft::Raft;"),
        ("crates/events", "outbox", "use diesel::prelude::*;"),
        ("crates/events", "postgres", "use rdkafka::Message;"),
        ("crates/runtime", "platform", "use diesel_async::AsyncPgConnection;"),
    ] {
        let found = Source::planted(package, module, text).violations();
        assert!(!found.is_empty(), "{package} {module}: {text}");
    }
}

#[test]
fn allowed_imports_are_not_refused() {
    for (package, module, text) in [
        ("services/auth", "store::accounts", "use diesel::prelude::*; use crate::domain::Account;"),
        ("services/auth", "app::login", "use crate::{domain, store::Store, clients::Chats, events::outgoing};"),
        ("services/auth", "grpc", "use crate::app::App; use crate::domain::Account;"),
        ("services/auth", "", "use crate::store::SCHEMA; mod grpc;"),
        ("services/auth", "domain", "#[cfg(test)] mod tests { use crate::store::Store; }"),
        ("services/call-signaling", "raft::log", "use redb::Database;"),
        ("crates/events", "store", "use diesel::prelude::*;"),
        ("crates/pg", "pool", "use diesel::prelude::*;"),
    ] {
        assert_eq!(Source::planted(package, module, text).violations(), Vec::<String>::new(), "{text}");
    }
}
