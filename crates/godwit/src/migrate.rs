use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::FromArgMatches;
use godwit_runtime::options::{DatabaseOptions, OptionGroup};
use godwit_runtime::{CommandLine, block_on, fail};

use crate::cli::command_named;
use crate::target::{TargetOptions, requested};
use crate::{services, terminal};

/// `godwit migrate`: makes roles and schemas, and runs the migrations that have not been run.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let command = command_named("godwit migrate", "Make the database's roles and schemas, and run its migrations");
    let targets = requested(&arguments);
    let groups =
        vec![OptionGroup::of::<TargetOptions>("Which services"), OptionGroup::of::<DatabaseOptions>("Database")];
    let parsed = match CommandLine::new(command, groups).parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let options = parsed
        .groups
        .get(1)
        .context("the options are missing")
        .and_then(|matches| Ok(DatabaseOptions::from_arg_matches(matches)?));
    block_on(async {
        let result = match options {
            Ok(options) => migrate(&options, &services::schemas(&services::of(&targets))).await,
            Err(error) => Err(error),
        };
        result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
    })
}

/// Migrates the schemas with the user of `GODWIT_DATABASE_URL`, and says so.
pub(crate) async fn migrate(options: &DatabaseOptions, schemas: &[&godwit_pg::Schema]) -> anyhow::Result<()> {
    let url = options.url.as_ref().context("GODWIT_DATABASE_URL is not set")?;
    let password = options.role_password.as_ref().context("GODWIT_DATABASE_ROLE_PASSWORD is not set")?;
    godwit_pg::migrate(url.expose(), schemas, password.expose()).await.context("the database cannot be migrated")?;
    let names: Vec<_> = schemas.iter().map(|schema| schema.name).collect();
    terminal::print(format_args!("migrated: {}", names.join(", ")));
    Ok(())
}
