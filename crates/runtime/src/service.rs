use std::future::Future;
use std::pin::Pin;

use clap::{ArgMatches, Args, FromArgMatches};
use godwit_pg::Schema;
use godwit_rpc::Target;

use crate::Platform;
use crate::options::OptionGroup;

/// A service as a process runs it.
pub trait Service {
    /// Its name, and how others find it.
    const TARGET: Target;
    /// The tables it owns, if any.
    const SCHEMA: Option<&'static Schema>;
    /// Its own options.
    type Config: Args + Send;

    /// Wires the service: takes what it needs from `platform`, adds its gRPC services and tasks, and returns. Other
    /// services of the process may not be started yet, so nothing may be asked of them here.
    ///
    /// # Errors
    /// When the configuration cannot work; the process then does not start. A part that is merely down is not one.
    fn start(platform: &Platform, config: Self::Config) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Looks at the parts that this service alone uses (an object store, a mail server), for `godwit doctor`.
    fn diagnose(config: Self::Config) -> impl Future<Output = Vec<Diagnosis>> + Send {
        drop(config);
        std::future::ready(Vec::new())
    }
}

/// What `godwit doctor` found about one part.
#[derive(Debug)]
pub struct Diagnosis {
    /// The part, such as `object store`.
    pub part: String,
    /// What is well, or what is wrong.
    pub result: anyhow::Result<String>,
    /// What to do when it is wrong.
    pub remedy: String,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A service without its type, so that a process can hold a list of them.
#[derive(Clone, Copy)]
pub struct ServiceEntry {
    /// Its name.
    pub target: Target,
    /// The tables it owns, if any.
    pub schema: Option<&'static Schema>,
    options: fn() -> OptionGroup,
    start: for<'a> fn(&'a Platform, &'a ArgMatches) -> Boxed<'a, anyhow::Result<()>>,
    diagnose: fn(&ArgMatches) -> Boxed<'_, anyhow::Result<Vec<Diagnosis>>>,
}

impl ServiceEntry {
    /// The entry of `S`.
    #[must_use]
    pub const fn of<S: Service>() -> Self {
        Self {
            target: S::TARGET,
            schema: S::SCHEMA,
            options: || OptionGroup::of::<S::Config>(format!("Service {}", S::TARGET)),
            start: |platform, matches| {
                Box::pin(async move { S::start(platform, S::Config::from_arg_matches(matches)?).await })
            },
            diagnose: |matches| Box::pin(async move { Ok(S::diagnose(S::Config::from_arg_matches(matches)?).await) }),
        }
    }

    /// The service's own options.
    #[must_use]
    pub fn options(&self) -> OptionGroup {
        (self.options)()
    }

    /// [`Service::start`] with the values that its [`Self::options`] read.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn start(&self, platform: &Platform, matches: &ArgMatches) -> anyhow::Result<()> {
        (self.start)(platform, matches).await
    }

    /// [`Service::diagnose`] with the values that its [`Self::options`] read.
    ///
    /// # Errors
    /// When the values are not those of this service.
    pub async fn diagnose(&self, matches: &ArgMatches) -> anyhow::Result<Vec<Diagnosis>> {
        (self.diagnose)(matches).await
    }
}
