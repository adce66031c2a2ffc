use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::FromArgMatches;
use godwit_runtime::options::OptionGroup;
use godwit_runtime::{CommandLine, Secret, block_on, fail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::command_named;
use crate::terminal;

const ABOUT: &str = "Serve a folder by the S3 protocol: the server that `godwit dev` embeds, as a process of its own";

/// The S3 server of one machine.
#[derive(clap::Args)]
pub(crate) struct S3Options {
    /// Where it listens, by HTTP without TLS.
    #[arg(
        long = "listen",
        env = "GODWIT_S3_LISTEN",
        value_name = "GODWIT_S3_LISTEN",
        default_value = "127.0.0.1:9000"
    )]
    listen: SocketAddr,
    /// The folder of buckets and objects; made when it is absent.
    #[arg(long = "dir", env = "GODWIT_S3_DIR", value_name = "GODWIT_S3_DIR", default_value = ".godwit/s3")]
    dir: PathBuf,
    /// The one access key that it knows.
    #[arg(long = "access-key", env = "GODWIT_S3_ACCESS_KEY", value_name = "GODWIT_S3_ACCESS_KEY")]
    access_key: String,
    /// The secret key of that access key.
    #[arg(
        long = "secret-key",
        env = "GODWIT_S3_SECRET_KEY",
        value_name = "GODWIT_S3_SECRET_KEY",
        hide_env_values = true
    )]
    secret_key: Secret,
}

/// `godwit s3`: serves until SIGTERM.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let groups = vec![OptionGroup::of::<S3Options>("S3 server")];
    let parsed = match CommandLine::new(command_named("godwit s3", ABOUT), groups).parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let options = parsed.groups.iter().map(S3Options::from_arg_matches).next();
    block_on(async {
        let result = match options {
            Some(Ok(options)) => serve(options).await,
            Some(Err(error)) => Err(error.into()),
            None => Err(anyhow::anyhow!("the options are missing")),
        };
        result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
    })
}

async fn serve(options: S3Options) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    terminal::print(format_args!("S3 at http://{}", options.listen));
    let serving = godwit_media::embedded_s3::serve(
        options.listen,
        &options.dir,
        &options.access_key,
        options.secret_key.expose(),
        stop.clone(),
    );
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => return Ok(result?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    Ok(serving.await?)
}
