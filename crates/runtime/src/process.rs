use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgMatches, Command, FromArgMatches};
use godwit_kernel::{NodeId, SystemClock, SystemEntropy};
use godwit_pg::Schema;
use godwit_rpc::{LocalRoutes, ServerLayer, Target};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::grpc::{self, GrpcTls, open_directory};
use crate::health::Phase;
use crate::lifecycle::{self, Signals};
use crate::options::{CommandLine, CommonOptions, DatabaseUrls, GrpcListen, LiveAdapter, OptionGroup};
use crate::telemetry::Telemetry;
use crate::{Platform, Service, ServiceEntry, Stage, admin, meters};

/// Runs one service as a process of its own, until SIGTERM or SIGINT. The exit code is 0 after an orderly end.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    let name = format!("godwit-{}", S::TARGET);
    let services = [ServiceEntry::of::<S>()];
    let command = Command::new(name.clone())
        .version(env!("CARGO_PKG_VERSION"))
        .about(format!("The {} service of Godwit", S::TARGET));
    let parsed = CommandLine::new(command, Process::option_groups(&services)).parse(std::env::args_os());
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    match Process::new(name, &services, parsed.groups) {
        Ok(process) => process.run(),
        Err(error) => fail(&error),
    }
}

/// Says on stderr why a process or tool goes no further, for a person: there may be no log yet.
#[must_use]
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

/// A process that runs some services.
pub struct Process {
    name: String,
    options: CommonOptions,
    databases: DatabaseUrls,
    services: Vec<(ServiceEntry, ArgMatches)>,
    on_ready: Option<Box<dyn FnOnce() + Send>>,
}

/// How a process came to its end.
enum End {
    Signal(&'static str),
    /// Which task is in the log already.
    Failure,
}

impl Process {
    /// The groups of options that a process of these services reads: common ones, databases, and one a service.
    #[must_use]
    pub fn option_groups(services: &[ServiceEntry]) -> Vec<OptionGroup> {
        let mut groups =
            vec![OptionGroup::of::<CommonOptions>("Every process"), DatabaseUrls::group(&Self::schemas(services))];
        groups.extend(services.iter().map(ServiceEntry::options));
        groups
    }

    /// The schemas that a process of these services uses.
    #[must_use]
    pub fn schemas(services: &[ServiceEntry]) -> Vec<&'static Schema> {
        services.iter().filter_map(|service| service.schema).chain([&godwit_events::postgres::SCHEMA]).collect()
    }

    /// A process called `name` in logs and traces, with the values that [`Self::option_groups`] read.
    ///
    /// # Errors
    /// When `groups` are not those values.
    pub fn new(name: impl Into<String>, services: &[ServiceEntry], groups: Vec<ArgMatches>) -> anyhow::Result<Self> {
        let mut groups = groups.into_iter();
        let common = groups.next().context("the common options are missing")?;
        let databases = groups.next().context("the options of the databases are missing")?;
        Ok(Self {
            name: name.into(),
            options: CommonOptions::from_arg_matches(&common)?,
            databases: DatabaseUrls::from_matches(&Self::schemas(services), &databases),
            services: services.iter().copied().zip(groups).collect(),
            on_ready: None,
        })
    }

    /// The common options as they were read.
    #[must_use]
    pub fn options(&self) -> &CommonOptions {
        &self.options
    }

    /// The URLs of single schemas as they were read.
    #[must_use]
    pub fn databases(&self) -> &DatabaseUrls {
        &self.databases
    }

    /// The services with the values of their own options.
    #[must_use]
    pub fn services(&self) -> &[(ServiceEntry, ArgMatches)] {
        &self.services
    }

    /// Calls `hook` once every service has started.
    #[must_use]
    pub fn on_ready(mut self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.on_ready = Some(Box::new(hook));
        self
    }

    /// Runs the services until SIGTERM, SIGINT or the failure of a task, and drains. The exit code is 0 only when
    /// a signal ended it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        block_on(self.run_logged())
    }

    async fn run_logged(self) -> ExitCode {
        let instance = NodeId::generate(&SystemClock, &SystemEntropy).to_string();
        let telemetry = match Telemetry::install(&self.options.telemetry, &self.name, &instance) {
            Ok(telemetry) => telemetry,
            Err(error) => return fail(&error),
        };
        let code = match self.serve().await {
            Ok(End::Signal(_)) => ExitCode::SUCCESS,
            Ok(End::Failure) => ExitCode::FAILURE,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the process cannot start");
                ExitCode::FAILURE
            }
        };
        telemetry.flush().await;
        code
    }

    async fn serve(mut self) -> anyhow::Result<End> {
        let mut signals = Signals::install().context("signals cannot be received")?;
        let metrics = meters::install()?;
        let admin_listen = self.options.telemetry.admin_listen;
        let admin_listener = TcpListener::bind(admin_listen)
            .await
            .with_context(|| format!("GODWIT_ADMIN_LISTEN: cannot listen at {admin_listen}"))?;
        let admin_address = admin_listener.local_addr()?;
        let routes = LocalRoutes::new();
        let local = self.services.iter().map(|(service, _)| service.target);
        let directory = open_directory(&self.options, routes.clone(), local)?;
        self.warn_of_memory_between_processes();
        let platform = Platform::open(&self.options, self.databases.clone(), directory).await?;
        meters::keep_up(&platform.tasks, metrics.clone());

        let admin_stop = CancellationToken::new();
        let admin = admin::serve(admin_listener, metrics, platform.health.clone(), admin_stop.clone());
        let life = async {
            let _stop_admin_at_the_end = admin_stop.drop_guard();
            tokio::select! {
                started = self.start(&platform, &routes) => {
                    let reporter = started?;
                    tracing::info!(process = self.name, admin = %admin_address, "ready");
                    platform.health.set_phase(Phase::Running);
                    if let Some(hook) = self.on_ready.take() {
                        hook();
                    }
                    self.live_and_drain(&platform, &reporter, &mut signals).await
                }
                name = signals.next() => Ok(End::Signal(name)),
            }
        };
        let (admin, end) = tokio::join!(admin, life);
        admin.context("the admin listener failed")?;
        end
    }

    fn warn_of_memory_between_processes(&self) {
        if self.options.live.live == LiveAdapter::Memory && !self.runs_everything() {
            tracing::warn!(
                "GODWIT_LIVE=memory reaches this process only, which does not run every service: live events and \
                 rate limits will not cross processes. Set GODWIT_LIVE=redis"
            );
        }
    }

    fn runs_everything(&self) -> bool {
        Target::ALL.iter().all(|target| self.services.iter().any(|(service, _)| service.target == *target))
    }

    /// Starts every service, then opens what they added to callers.
    async fn start(&self, platform: &Platform, routes: &LocalRoutes) -> anyhow::Result<HealthReporter> {
        for (service, matches) in &self.services {
            service
                .start(platform, matches)
                .await
                .with_context(|| format!("the service {} cannot start", service.target))?;
            tracing::debug!(service = %service.target, "started");
        }
        let layer = ServerLayer::default();
        let (reporter, health_service) = tonic_health::server::health_reporter();
        for name in platform.grpc.names() {
            reporter.set_service_status(name, ServingStatus::Serving).await;
        }
        let served = platform.grpc.routes();
        routes.bind(served.clone(), &layer);
        match self.options.grpc.listen {
            GrpcListen::At(address) => {
                let tls = GrpcTls::read(&self.options.grpc)?;
                let listener = grpc::Listener::bind(address, tls.as_ref()).await?;
                let routes = served.add_service(health_service);
                tracing::info!(address = %listener.address()?, mutual_tls = tls.is_some(), "gRPC listens");
                platform.tasks.spawn_in(Stage::Serve, "grpc", |stop| listener.serve(routes, layer, stop));
            }
            GrpcListen::Off if self.runs_everything() || platform.grpc.names().is_empty() => {}
            GrpcListen::Off => {
                anyhow::bail!(
                    "GODWIT_GRPC_LISTEN=off leaves the services of this process without callers: others run elsewhere"
                )
            }
        }
        Ok(reporter)
    }

    async fn live_and_drain(
        &self,
        platform: &Platform,
        reporter: &HealthReporter,
        signals: &mut Signals,
    ) -> anyhow::Result<End> {
        let end = tokio::select! {
            name = signals.next() => End::Signal(name),
            _ = platform.tasks.failed() => End::Failure,
        };
        platform.health.set_phase(Phase::Draining);
        for name in platform.grpc.names() {
            reporter.set_service_status(name, ServingStatus::NotServing).await;
        }
        reporter.set_service_status("", ServingStatus::NotServing).await;
        let drain = async {
            if let End::Signal(signal) = &end {
                tracing::info!(signal, "draining");
                tokio::time::sleep(self.options.lifecycle.delay()).await;
            }
            lifecycle::stop_tasks(&platform.tasks, &self.options.lifecycle).await;
        };
        tokio::select! {
            () = drain => {}
            signal = signals.next() => tracing::warn!(signal, "a second signal: the drain is cut off"),
        }
        Ok(end)
    }
}

/// Runs a tool that is no service, such as a migration, with the threads and cryptography that a service has.
pub fn block_on(tool: impl Future<Output = ExitCode>) -> ExitCode {
    install_crypto();
    match threads() {
        Ok(runtime) => {
            let code = runtime.block_on(tool);
            runtime.shutdown_timeout(lifecycle::BLOCKING_GRACE);
            code
        }
        Err(error) => fail(&error),
    }
}

fn threads() -> anyhow::Result<Runtime> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.enable_all().thread_name("godwit").build().context("no threads can be started")
}

/// The one cryptography provider of the process; installing it again (tests) changes nothing.
fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
