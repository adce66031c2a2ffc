//! A service whose behaviour tests choose, and the process that runs it: this test binary, started again.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use godwit_pg::Schema;
use godwit_rpc::Target;
use godwit_runtime::{CommandLine, Platform, Process, Service, ServiceEntry, Stage, Weight};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use tonic::body::Body;
use tonic::server::NamedService;

/// Set in the started process; the test of the same name then runs the fixture instead of doing nothing.
pub const FIXTURE: &str = "GODWIT_TEST_FIXTURE";

/// The path of the gRPC method that waits for [`Config::answer`].
pub const WAIT: &str = "/godwit.push.v1.PushService/Wait";

struct Fixture;

#[derive(clap::Args)]
struct Config {
    /// What a task does: nothing, `error` or `panic`.
    #[arg(long = "fixture-task", env = "FIXTURE_TASK", value_name = "FIXTURE_TASK", default_value = "")]
    task: String,
    /// A file that the required check wants to see.
    #[arg(long = "fixture-switch", env = "FIXTURE_SWITCH", value_name = "FIXTURE_SWITCH")]
    switch: Option<PathBuf>,
    /// A file after whose appearance the gRPC method answers.
    #[arg(long = "fixture-answer", env = "FIXTURE_ANSWER", value_name = "FIXTURE_ANSWER")]
    answer: Option<PathBuf>,
    /// A number, to be got wrong.
    #[arg(long = "fixture-number", env = "FIXTURE_NUMBER", value_name = "FIXTURE_NUMBER", default_value_t = 1)]
    number: u8,
    /// Whether the service asks for a database.
    #[arg(long = "fixture-database", env = "FIXTURE_DATABASE", value_name = "FIXTURE_DATABASE", default_value_t = false, action = clap::ArgAction::Set)]
    database: bool,
}

const SCHEMA: Schema =
    Schema { name: "fixture", migrations: || unreachable!("the fixture migrates nothing"), extensions: &[] };

impl Service for Fixture {
    const TARGET: Target = Target::Push;
    const SCHEMA: Option<&'static Schema> = Some(&SCHEMA);
    type Config = Config;

    async fn start(platform: &Platform, config: Config) -> anyhow::Result<()> {
        godwit_metric(config.number);
        if config.database {
            platform.database(&SCHEMA)?;
        }
        if let Some(switch) = config.switch {
            platform.health.register("switch", Weight::Required, move || {
                let is_on = switch.exists();
                async move { if is_on { Ok(()) } else { anyhow::bail!("switched off") } }
            });
        }
        match config.task.as_str() {
            "error" => platform.tasks.spawn("culprit", |_| async { anyhow::bail!("out of paper") }),
            "panic" => platform.tasks.spawn("culprit", |_| async { panic!("out of ink") }),
            _ => {}
        }
        platform.tasks.spawn_in(Stage::Edge, "edge", |stop| async move {
            stop.cancelled().await;
            tracing::info!("the edge stops");
            Ok(())
        });
        let (questions, answers) = mpsc::channel(1);
        platform.tasks.spawn("worker", |stop| answer(answers, stop, config.answer));
        platform.grpc.add(Wait { questions });
        Ok(())
    }
}

fn godwit_metric(number: u8) {
    metrics::counter!("godwit_fixture_total").increment(number.into());
    metrics::histogram!("godwit_fixture_seconds").record(0.003);
}

type Question = oneshot::Sender<()>;

/// Answers each question once the file is there, until it is told to stop.
async fn answer(
    mut questions: mpsc::Receiver<Question>,
    stop: tokio_util::sync::CancellationToken,
    file: Option<PathBuf>,
) -> anyhow::Result<()> {
    while let Some(Some(question)) = stop.run_until_cancelled(questions.recv()).await {
        tracing::info!("asked");
        if let Some(file) = &file {
            godwit_testkit::eventually(Duration::from_secs(60), || async { file.exists() }).await;
        }
        let _ = question.send(());
    }
    tracing::info!("the worker stops");
    Ok(())
}

/// A gRPC method whose answer comes from the worker, as a message's does from the appender.
#[derive(Clone)]
struct Wait {
    questions: mpsc::Sender<Question>,
}

impl NamedService for Wait {
    const NAME: &'static str = "godwit.push.v1.PushService";
}

impl tower::Service<http::Request<Body>> for Wait {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let questions = self.questions.clone();
        Box::pin(async move {
            let (question, answered) = oneshot::channel();
            let asked = questions.send(question).await.is_ok();
            Ok(grpc_answer(if asked && answered.await.is_ok() { 0 } else { 14 }))
        })
    }
}

/// An answer with an empty message and this gRPC status.
pub fn grpc_answer(status: u16) -> http::Response<Body> {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    let frame = http_body_util::Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move { Some(Ok(trailers)) });
    http::Response::builder().header("content-type", "application/grpc").body(Body::new(frame)).unwrap()
}

#[test]
fn fixture_process() {
    if std::env::var_os(FIXTURE).is_none() {
        return;
    }
    let services = [ServiceEntry::of::<Fixture>()];
    let parsed = CommandLine::new(clap::Command::new("fixture"), Process::option_groups(&services)).parse(["fixture"]);
    let code = match parsed.map(|parsed| Process::new("fixture", &services, parsed.groups)) {
        Ok(Ok(process)) => process.run(),
        Ok(Err(error)) => panic!("{error:#}"),
        Err(error) => error.exit(),
    };
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}
