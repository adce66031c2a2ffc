use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use godwit_pg::Schema;
use godwit_rpc::{Directory, LocalRoutes, Target};
use godwit_runtime::options::{DatabaseUrls, EndpointOptions, EventsAdapter, LiveAdapter};
use godwit_runtime::{Diagnosis, Platform, Process, ServiceEntry, block_on, fail, open_directory, schema_url};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::cli::command_named;
use crate::{run, terminal};

const ABOUT: &str = "Check every configured part, and say what to do about those that fail";
/// A part that does not answer in this time fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// `godwit doctor`: one line a part; the exit code is 0 when all are well.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    match run::process(command_named("godwit doctor", ABOUT), arguments, std::convert::identity) {
        Ok(process) => block_on(examine(process)),
        Err(error) => fail(&error),
    }
}

async fn examine(process: Process) -> ExitCode {
    let mut is_well = true;
    let mut tell = |diagnosis: Diagnosis| is_well &= print(&diagnosis);
    for schema in schemas(&process) {
        tell(database(&process, schema).await);
    }
    for diagnosis in live_and_events(&process).await {
        tell(diagnosis);
    }
    for (service, matches) in process.services() {
        for diagnosis in of_service(service, matches).await {
            tell(diagnosis);
        }
    }
    if let Some(diagnosis) = certificates(&process) {
        tell(diagnosis);
    }
    for diagnosis in endpoints(&process).await {
        tell(diagnosis);
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what was found, and tells whether it is well.
fn print(diagnosis: &Diagnosis) -> bool {
    match &diagnosis.result {
        Ok(finding) => {
            terminal::print(format_args!("ok    {}: {finding}", diagnosis.part));
            true
        }
        Err(error) => {
            // PostgreSQL says its details on lines of their own.
            let error = format!("{error:#}").lines().collect::<Vec<_>>().join("; ");
            terminal::print(format_args!("FAIL  {}: {error} -> {}", diagnosis.part, diagnosis.remedy));
            false
        }
    }
}

/// `check` within the time that a part has.
async fn in_time<T>(check: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(result) => result,
        Err(_) => bail!("no answer within {} s", PATIENCE.as_secs()),
    }
}

/// The schemas that the process would use: the stream's only when PostgreSQL carries it.
fn schemas(process: &Process) -> Vec<&'static Schema> {
    let services: Vec<ServiceEntry> = process.services().iter().map(|(service, _)| *service).collect();
    let mut schemas = Process::schemas(&services);
    if process.options().events.events != EventsAdapter::Postgres {
        schemas.retain(|schema| schema.name != godwit_events::postgres::SCHEMA.name);
    }
    schemas
}

async fn database(process: &Process, schema: &Schema) -> Diagnosis {
    let part = format!("database {}", schema.name);
    let (variable, url) = match schema_url(&process.options().database, process.databases(), schema) {
        Ok(found) => found,
        Err(error) => return Diagnosis { part, result: Err(error), remedy: "set the variable".to_owned() },
    };
    match in_time(async { Ok(godwit_pg::pending_migrations(&url, schema).await?) }).await {
        Ok(pending) if pending.is_empty() => {
            let finding = format!("{} logs in, and every migration has been run", schema.role());
            Diagnosis { part, result: Ok(finding), remedy: String::new() }
        }
        Ok(pending) => Diagnosis {
            part,
            result: Err(anyhow::anyhow!("not run yet: {}", pending.join(", "))),
            remedy: "run `godwit migrate`".to_owned(),
        },
        Err(error) => Diagnosis {
            part,
            result: Err(error),
            remedy: format!(
                "see that PostgreSQL runs where {variable} says, and run `godwit migrate`, which makes the role {}",
                schema.role()
            ),
        },
    }
}

/// Live and the stream as the process would open them.
async fn live_and_events(process: &Process) -> Vec<Diagnosis> {
    let options = process.options();
    let (live_name, live_remedy) = match options.live.live {
        LiveAdapter::Memory => ("live (memory)", "it runs inside the process"),
        LiveAdapter::Redis => ("live (Redis)", "see that Redis runs where GODWIT_REDIS_URL says"),
    };
    let (events_name, events_remedy) = match options.events.events {
        EventsAdapter::Postgres => ("events (PostgreSQL)", "run `godwit migrate`"),
        EventsAdapter::Kafka => ("events (Kafka)", "see that Kafka runs where GODWIT_KAFKA_BOOTSTRAP_SERVERS says"),
    };
    let directory = Directory::new(LocalRoutes::new(), []);
    let opened = Platform::open(options, DatabaseUrls::clone(process.databases()), directory).await;
    let platform = match opened {
        Ok(platform) => platform,
        Err(error) => {
            let remedy = "correct the variable".to_owned();
            return vec![Diagnosis { part: "live and events".to_owned(), result: Err(error), remedy }];
        }
    };
    let answers = || "answers".to_owned();
    let live = in_time(async { Ok(platform.live.check().await?) }).await.map(|()| answers());
    let events = in_time(async { Ok(platform.events.check().await?) }).await.map(|()| answers());
    vec![
        Diagnosis { part: live_name.to_owned(), result: live, remedy: live_remedy.to_owned() },
        Diagnosis { part: events_name.to_owned(), result: events, remedy: events_remedy.to_owned() },
    ]
}

/// What the service says about the parts that it alone uses.
async fn of_service(service: &ServiceEntry, matches: &clap::ArgMatches) -> Vec<Diagnosis> {
    let found = in_time(service.diagnose(matches)).await;
    let mut diagnoses = found.unwrap_or_else(|error| {
        let remedy = "see that what its options name can be reached".to_owned();
        vec![Diagnosis { part: "its own parts".to_owned(), result: Err(error), remedy }]
    });
    for diagnosis in &mut diagnoses {
        diagnosis.part = format!("{}: {}", service.target, diagnosis.part);
    }
    diagnoses
}

/// The certificates of internal gRPC, when any are named.
fn certificates(process: &Process) -> Option<Diagnosis> {
    let grpc = &process.options().grpc;
    grpc.tls_cert.as_ref().or(grpc.tls_key.as_ref()).or(grpc.tls_ca.as_ref())?;
    let remedy = "name three PEM files that this process can read";
    let result = open_directory(process.options(), LocalRoutes::new(), []).map(|_| "mutual TLS is on".to_owned());
    Some(Diagnosis { part: "certificates".to_owned(), result, remedy: remedy.to_owned() })
}

/// Every replica of every service that runs elsewhere.
async fn endpoints(process: &Process) -> Vec<Diagnosis> {
    let mut diagnoses = Vec::new();
    for target in Target::ALL {
        for url in process.options().endpoints.of(target) {
            let remedy = format!("see that the service runs there, or correct {}", EndpointOptions::variable(target));
            let result = in_time(endpoint(process, target, url)).await.map(|()| "serves".to_owned());
            diagnoses.push(Diagnosis { part: format!("{target} at {url}"), result, remedy });
        }
    }
    diagnoses
}

async fn endpoint(process: &Process, target: Target, url: &str) -> anyhow::Result<()> {
    let mut options = process.options().clone();
    options.endpoints.keep_only(target, url);
    let directory = open_directory(&options, LocalRoutes::new(), [])?;
    let request = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(directory.channel(target)).check(request).await.context("it does not answer")?;
    if answer.into_inner().status() != ServingStatus::Serving {
        bail!("it is ending");
    }
    Ok(())
}
