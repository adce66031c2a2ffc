use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::FromArgMatches;
use godwit_rpc::Target;
use godwit_runtime::options::{DatabaseOptions, OptionGroup};
use godwit_runtime::{Process, block_on, fail};

use crate::cli::command_named;
use crate::migrate::migrate;
use crate::{early, run, services, terminal};

const ABOUT: &str = "Migrate, then run everything in one process, with embedded parts for what is not configured";
const DEFAULT_DIR: &str = ".godwit";

/// Where one machine keeps what is not in the database.
#[derive(clap::Args)]
pub(crate) struct DevOptions {
    /// The folder for what a developer's machine keeps outside the database: mails, uploads, the log of calls.
    #[arg(long = "dev-dir", env = "GODWIT_DEV_DIR", value_name = "GODWIT_DEV_DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
}

/// `godwit dev`: everything in one process. What the environment names (Redis, Kafka, S3, a mail server) is used;
/// for the rest there are embedded parts.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let dir =
        PathBuf::from(early::value(&arguments, "dev-dir", "GODWIT_DEV_DIR").unwrap_or_else(|| DEFAULT_DIR.to_owned()));
    let command = command_named("godwit dev", ABOUT);
    let started = run::process(command, arguments, |groups| for_one_machine(groups, &dir)).and_then(|process| {
        let greeting = greeting(&process, &dir)?;
        Ok((process, greeting))
    });
    match started {
        Ok((process, greeting)) => {
            let migrated = migrate_first(&process.options().database);
            if migrated != ExitCode::SUCCESS {
                return migrated;
            }
            process.on_ready(move || terminal::print(greeting)).run()
        }
        Err(error) => fail(&error),
    }
}

fn migrate_first(database: &DatabaseOptions) -> ExitCode {
    block_on(async {
        let result = migrate(database, &services::schemas(&services::ALL)).await;
        result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
    })
}

/// The same options with defaults that need no other machine.
fn for_one_machine(groups: Vec<OptionGroup>, dir: &Path) -> Vec<OptionGroup> {
    let inside = |name: &str| dir.join(name).display().to_string();
    let mut defaults =
        vec![("grpc-listen", "off".to_owned()), ("log-format", "pretty".to_owned()), ("call-data-dir", inside("call"))];
    if !early::is_set("GODWIT_AUTH_SMTP_URL") {
        defaults.push(("auth-mail-dir", inside("mail")));
    }
    if !early::is_set("GODWIT_MEDIA_S3_URL") {
        defaults.push(("media-s3-embedded-dir", inside("s3")));
    }
    let mut groups: Vec<_> = groups
        .into_iter()
        .map(|group| defaults.iter().fold(group, |group, (flag, value)| group.with_default(flag, value)))
        .collect();
    groups.push(OptionGroup::of::<DevOptions>("One machine"));
    groups
}

/// What a person at the terminal wants to know next.
fn greeting(process: &Process, dir: &Path) -> anyhow::Result<String> {
    let (_, gateway) = process
        .services()
        .iter()
        .find(|(service, _)| service.target == Target::Gateway)
        .context("godwit dev runs every service: GODWIT_TARGET must not name some")?;
    let listen = godwit_gateway::Config::from_arg_matches(gateway)?.listen;
    let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
    let url = format!("http://{host}:{}", listen.port());
    let codes = if early::is_set("GODWIT_AUTH_SMTP_URL") {
        "by mail".to_owned()
    } else {
        format!("in this log and in {}", dir.join("mail").display())
    };
    Ok(format!(
        r#"
Godwit runs at {url}
  API: {url}/docs (Swagger UI), {url}/redoc, {url}/openapi.json
  Live: {url}/ws/me (WebSocket)

Register and log in; the code comes {codes}:
  curl {url}/auth/register -H 'content-type: application/json' \
    -d '{{"email":"ada@example.org","username":"ada","password":"a long pass phrase","display_name":"Ada"}}'
  curl {url}/auth/verify-email -H 'content-type: application/json' \
    -d '{{"email":"ada@example.org","code":"CODE"}}'
  curl {url}/auth/login -H 'content-type: application/json' \
    -d '{{"login":"ada","password":"a long pass phrase","device":{{"id":"{device}","name":"terminal","platform":"cli"}}}}'
Ctrl-C ends it.
"#,
        device = "01890a5d-ac96-774b-bcce-b302099a8057",
    ))
}
